"""The official `mcp` client against a server: python mcp_client.py URL."""

import asyncio
import base64
import io
import json
import sys
from importlib.metadata import version

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

SMALL = {"seed": 7, "preset": "draft", "size": "128x128"}


def pictures(result):
    assert not result.is_error, result
    images = [content for content in result.content if content.type == "image"]
    return [Image.open(io.BytesIO(base64.b64decode(image.data))) for image in images]


async def main():
    async with streamable_http_client(f"{sys.argv[1]}/mcp") as (read, write, *_):
        async with ClientSession(read, write) as session:
            hello = await session.initialize()
            assert hello.server_info.name == "calotype", hello
            await session.send_ping()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == {"generate", "vary", "plan"}, tools
            assert tools["generate"].input_schema["required"] == ["prompt"]

            drawn = await session.call_tool("generate", {"prompt": "a red fox", "count": 2, **SMALL})
            assert [image.size for image in pictures(drawn)] == [(128, 128)] * 2
            told = drawn.structured_content["pictures"]
            assert [picture["seed"] for picture in told] == [7, 8], told
            again = await session.call_tool("generate", {"prompt": "a red fox", **SMALL})
            assert pictures(again)[0].tobytes() == pictures(drawn)[0].tobytes(), "the same request gave other pixels"

            varied = await session.call_tool("vary", {"asset": told[0]["asset"], "strength": 0.5, **SMALL})
            image = pictures(varied)[0]
            assert image.size == (128, 128) and image.tobytes() != pictures(drawn)[0].tobytes()

            planned = await session.call_tool("plan", {"prompt": "a red fox", **SMALL})
            plan = json.loads(planned.content[0].text)
            assert plan["seconds"] > 0 and plan["images"] == 1 and plan == planned.structured_content

            for tool, arguments, field in [
                ("generate", {"prompt": "x", "size": "7x7"}, "size"), ("generate", {"prompt": "x", "count": 9}, "count"),
                ("vary", {"asset": "nothing"}, "asset"), ("plan", {"prompt": "x", "preset": "best"}, "preset"),
            ]:
                wrong = await session.call_tool(tool, arguments)
                assert wrong.is_error and field in wrong.content[0].text, (tool, wrong)


asyncio.run(main())
print("mcp", version("mcp"), "ok")
