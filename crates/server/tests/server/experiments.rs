//! Experiments, from outside: bad results change nothing; people stay where they were sent, in the planned shares; who was
//! shown what by an optimiser makes no winner; extreme numbers are numbers or words; the winner begins the next round.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{PATIENCE, Reply, Server, one_at_a_time, small};

fn picture(server: &Server, seed: u64) -> String {
    let reply = server.post("/api/v1/jobs", &small(seed, 1));
    assert_eq!(reply.status, 202, "{}", reply.text());
    let job = server.wait(reply.json()["id"].as_str().unwrap());
    job["assets"][0]["id"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned()
}

/// A test of the same picture under many names: numbers are what matters here.
fn experiment(server: &Server, asset: &str, arms: usize, more: &Value) -> Value {
    let mut request = json!({ "name": "Hero", "creatives": vec![json!({ "asset": asset }); arms] });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = server.post("/api/v1/experiments", &request);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

fn id(view: &Value) -> String {
    view["id"].as_str().unwrap().to_owned()
}

fn import(server: &Server, id: &str, query: &str, csv: &[u8]) -> Reply {
    server.request("POST", &format!("/api/v1/experiments/{id}/results?{query}"), &[("content-type", "text/csv")], csv)
}

fn report(server: &Server, id: &str) -> Value {
    let reply = server.get(&format!("/api/v1/experiments/{id}/report"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let found = reply.json();
    no_nulls(&found, "report");
    found
}

/// JSON has no NaN: one would be a null.
fn no_nulls(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("{path} is null"),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, one)| no_nulls(one, &format!("{path}[{i}]"))),
        Value::Object(fields) => fields.iter().for_each(|(name, one)| no_nulls(one, &format!("{path}.{name}"))),
        _ => {}
    }
}

#[test]
fn results_become_an_answer() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let asset = picture(&server, 1);
    let plan = server.post("/api/v1/experiments/plan", &json!({ "rate": 0.01, "lift": 0.2, "traffic": 6100 })).json();
    assert_eq!((&plan["people_per_arm"], &plan["days"]), (&json!(42_691), &json!(14)));
    let bad = server.post("/api/v1/experiments/plan", &json!({ "rate": 1.5, "lift": 0.2 }));
    assert_eq!((bad.status, &bad.json()["error"]["field"]), (400, &json!("rate")));
    let made = experiment(
        &server,
        &asset,
        2,
        &json!({ "url": "https://shop.example/?a=b", "plan": { "rate": 0.05, "lift": 0.2 } }),
    );
    let id = id(&made);
    assert_eq!((&made["creatives"][1]["key"], &made["creatives"][1]["name"]), (&json!("hero-02"), &json!("B")));
    // The same picture twice.
    assert!(made["warnings"][0].as_str().unwrap().contains("'A' looks nearly like 'B'"), "{made}");
    let none = report(&server, &id);
    assert_eq!((&none["answer"]["kind"], none.get("report")), (&json!("no_results"), None));

    let list = server.get(&format!("/api/v1/experiments/{id}/export"));
    assert!(list.headers.contains("hero-creatives.csv"), "{}", list.headers);
    let link = "https://shop.example/?a=b&utm_source=test&utm_medium=picture&utm_campaign=hero&utm_content=hero-02";
    assert!(
        list.text()
            .contains(&format!("hero-02,B,hero-02.png,variation,0.500000,test,picture,hero,hero-02,{link},{asset}")),
        "{}",
        list.text()
    );
    let zip = server.get(&format!("/api/v1/experiments/{id}/export?zip=true")).body;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let mut png = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name("hero-01.png").unwrap(), &mut png).unwrap();
    assert!(formats::picture::decode(&png).unwrap().text.is_empty(), "others need not read the prompt");

    let days = |clicks: [u32; 2]| {
        let row =
            |day| format!("hero-01;2026-11-{day:02};2000;{}\nhero-02;2026-11-{day:02};2000;{}\n", clicks[0], clicks[1]);
        format!("creative;day;people;clicks\n{}", (1..=10).map(row).collect::<String>())
    };
    let reply = import(&server, &id, "", days([100, 140]).as_bytes());
    assert_eq!((reply.status, &reply.json()["error"]["field"]), (400, &json!("assignment")));
    let dry = import(&server, &id, "assignment=own&dry_run=true", days([100, 140]).as_bytes());
    assert_eq!((dry.status, &dry.json()["added"], &dry.json()["kept"]), (200, &json!(20), &json!(false)));
    assert_eq!(report(&server, &id)["answer"]["kind"], "no_results");
    let kept = import(&server, &id, "assignment=own", days([100, 140]).as_bytes());
    assert_eq!(kept.status, 201, "{}", kept.text());
    let found = report(&server, &id);
    assert_eq!((&found["answer"]["kind"], &found["answer"]["winner"]), (&json!("winner"), &json!(1)));
    let said = found["answer"]["headline"].as_str().unwrap();
    assert!(said.starts_with("'B' is better than 'A' by ") && said.ends_with(" %."), "{said}");
    let series = found["report"]["metrics"][0]["series"].as_array().unwrap();
    assert_eq!((series.len(), series[9]["day"].as_i64(), &found["days"][9]), (10, Some(20767), &json!("2026-11-10")));
    // Intervals that may be looked at every day become narrower.
    let width =
        |i: usize| series[i]["interval"]["high"].as_f64().unwrap() - series[i]["interval"]["low"].as_f64().unwrap();
    assert!(width(9) < width(0) / 2.0, "{series:?}");
    assert_eq!((&found["progress"]["people_per_arm"], &found["progress"]["fewest"]), (&json!(8155), &json!(20_000)));
    assert_eq!((&found["totals"][1]["clicks"], found["totals"][1].get("revenue")), (&json!(1400), None));

    // Shares for the next days; setting them is noted.
    let shares = server.get(&format!("/api/v1/experiments/{id}/weights")).json();
    let next: Vec<f64> = (0..2).map(|i| shares["shares"][i]["next"].as_f64().unwrap()).collect();
    assert!((next.iter().sum::<f64>() - 1.0).abs() < 1e-12 && next.iter().all(|share| *share >= 0.1), "{shares}");
    let put = |weights: Value| {
        let (json, body) = ([("content-type", "application/json")], json!({ "weights": weights }).to_string());
        server.request("PUT", &format!("/api/v1/experiments/{id}/weights"), &json, body.as_bytes())
    };
    for bad in [json!([1.0]), json!([0, 0]), json!([-1, 2])] {
        assert_eq!((put(bad.clone()).status, &put(bad).json()["error"]["field"]), (400, &json!("weights")));
    }
    assert_eq!(put(json!([1, 3])).json()["reweighted"], true);
    let found = report(&server, &id);
    assert!(
        found["report"]["health"].get("ratio").is_none()
            && found["answer"]["cautions"].to_string().contains("Shares were changed"),
        "{found}"
    );
    assert_eq!(server.get(&format!("/api/v1/experiments/{id}/weights?floor=0.9")).json()["error"]["field"], "floor");
}

#[test]
fn bad_results_are_named_and_change_nothing() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let asset = picture(&server, 1);
    let id = id(&experiment(&server, &asset, 2, &json!({ "metric": "revenue" })));
    let head = "creative,day,people,clicks,conversions,revenue,revenue_squared\n";
    let good = "hero-01,2026-11-01,100,10,2,30,500\nhero-02,2026-11-01,100,11,3,40,800\n";
    assert_eq!(import(&server, &id, "assignment=own", format!("{head}{good}").as_bytes()).status, 201);
    let before = report(&server, &id);
    let rows: [(&str, &str); 17] = [
        ("hero-09,2026-11-02,1,0,0,0,0", "creative"),
        ("HERO-01,2026-11-02,1,0,0,0,0", "creative"),
        ("hero-01,2026-02-30,1,0,0,0,0", "day"),
        ("hero-01,02.11.2026,1,0,0,0,0", "day"),
        ("hero-01,yesterday,1,0,0,0,0", "day"),
        ("hero-01,2026-11-02,-1,0,0,0,0", "people"),
        ("hero-01,2026-11-02,1.5,0,0,0,0", "people"),
        ("hero-01,2026-11-02,\"1,000\",0,0,0,0", "people"),
        ("hero-01,2026-11-02,9999999999999999999999,0,0,0,0", "people"),
        ("hero-01,2026-11-02,10,11,0,0,0", "clicks"),
        ("hero-01,2026-11-02,10,-1,0,0,0", "clicks"),
        ("hero-01,2026-11-02,10,,0,0,0", "clicks"),
        ("hero-01,2026-11-02,10,1,11,0,0", "conversions"),
        ("hero-01,2026-11-02,10,1,1,NaN,0", "revenue"),
        ("hero-01,2026-11-02,10,1,1,12 EUR,0", "revenue"),
        ("hero-01,2026-11-02,10,1,1,10,1", "revenue_squared"),
        ("hero-02,2026-11-03,10,1,1,10,100\nhero-02,2026-11-03,10,1,1,10,100", "day"),
    ];
    for (row, column) in rows {
        // A good row stands before the bad one, and is not taken, either.
        let csv = format!("{head}hero-02,2026-11-02,50,5,1,10,100\n{row}\n");
        let reply = import(&server, &id, "assignment=own&replace=true", csv.as_bytes());
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, &error["field"]), (400, &json!("rows")), "{row}: {error}");
        assert_eq!(&error["rows"][0]["column"], column, "{row}: {error}");
        let number = if row.contains('\n') { 3 } else { 2 };
        assert_eq!(
            (&error["rows"][0]["row"], &error["rows"][0]["line"]),
            (&json!(number), &json!(number + 1)),
            "{error}"
        );
    }
    let long = format!("{head}hero-01,2026-11-02,{}\n", "1".repeat(300 << 10));
    let files: [(&[u8], &str); 10] = [
        (b"", "empty"),
        (head.as_bytes(), "nothing stands below"),
        (b"creative,day,people,clicks\nhero-01,2026-11-02,1,0\n", "'revenue'"),
        (b"creative,day,revenue,revenue2\n", "'people'"),
        (b"creative,day,people,impressions,revenue,revenue2\n", "'impressions'"),
        (b"creative,day,people,revenue,revenue2,spend\n", "'spend'"),
        (b"creative,day,people,revenue,revenue2\nhero-01,2026-11-02,1\n", "has 3 cells"),
        (b"creative,day,people,revenue,revenue2\n\"hero-01,2026-11-02,1,0,0\n", "odd number of quotes"),
        (b"creative,day,people,revenue,revenue2\nhero-\xff1,2026-11-02,1,0,0\n", "not UTF-8"),
        (long.as_bytes(), "more than"),
    ];
    for (file, message) in files {
        let reply = import(&server, &id, "assignment=own", file);
        assert_eq!(reply.status, 400, "{message}: {}", reply.text());
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains(message), "{message}: {}", reply.text());
    }
    for (query, field) in [("", "assignment"), ("assignment=guess", "assignment"), ("assignment=own&x=1", "x")] {
        let reply = import(&server, &id, query, format!("{head}{good}").as_bytes());
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.json()["error"].to_string().contains(field), "{query}: {}", reply.text());
    }
    assert_eq!(server.post(&format!("/api/v1/experiments/{id}/results?assignment=own"), &json!({})).status, 415);
    assert_eq!(import(&server, "x", "assignment=own", b"x").status, 404);
    // What changes numbers that are there says so, and is kept on wish.
    let other = good.replace("11,3,40,800", "12,3,45,900");
    let reply = import(&server, &id, "assignment=own", format!("{head}{other}").as_bytes());
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (409, &json!("would_replace")));
    assert_eq!(reply.json()["error"]["rows"][0]["message"], "'hero-02' on 2026-11-01 has 11 now, 12 in the file");
    let reply = import(&server, &id, "assignment=platform_optimised", format!("{head}{good}").as_bytes());
    assert!(reply.status == 409 && reply.text().contains("came by 'own'"), "{}", reply.text());
    assert_eq!(report(&server, &id), before);
    let reply = import(&server, &id, "assignment=own&replace=true", format!("{head}{other}").as_bytes());
    let told = reply.json();
    assert_eq!((&told["replaced"], &told["same"], &told["changes"][1]["after"]), (&json!(1), &json!(1), &json!(45.0)));
    assert_ne!(report(&server, &id), before);
}

#[test]
fn bad_tests_are_named() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let asset = picture(&server, 1);
    let two = json!([{ "asset": asset }, { "asset": asset }]);
    for (more, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "creatives": [] }), "creatives"),
        (json!({ "creatives": [{ "asset": asset }] }), "creatives"),
        (json!({ "creatives": vec![json!({ "asset": asset }); 65] }), "creatives"),
        (json!({ "creatives": [{ "asset": asset }, { "asset": "x" }] }), "creatives[1].asset"),
        (json!({ "creatives": [{ "asset": asset }, { "candidate": "x" }] }), "creatives[1].candidate"),
        (json!({ "creatives": [{ "asset": asset }, {}] }), "creatives[1].candidate"),
        (
            json!({ "creatives": [{ "asset": asset, "name": "x" }, { "asset": asset, "name": "x" }] }),
            "creatives[1].name",
        ),
        (json!({ "creatives": [{ "asset": asset, "weight": 0 }, { "asset": asset, "weight": 0 }] }), "creatives"),
        (json!({ "creatives": [{ "asset": asset, "weight": -1 }, { "asset": asset }] }), "creatives"),
        (json!({ "campaign": "x" }), "campaign"),
        (json!({ "alpha": 0 }), "alpha"),
        (json!({ "alpha": 1 }), "alpha"),
        (json!({ "caring": -0.1 }), "caring"),
        (json!({ "metric": "likes" }), "metric"),
        (json!({ "assignment": "guess" }), "assignment"),
        (json!({ "url": "javascript:alert(1)" }), "url"),
        (json!({ "source": "a b" }), "source"),
        (json!({ "plan": { "rate": 2, "lift": 0.1 } }), "plan.rate"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        let mut request = json!({ "name": "Hero", "creatives": two });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = server.post("/api/v1/experiments", &request);
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (400, &json!(field)), "{more}: {}", reply.text());
    }
    assert_eq!(server.get("/api/v1/experiments").json()["total"], 0);
    let made = experiment(&server, &asset, 2, &json!({}));
    let reply = server.post("/api/v1/experiments", &json!({ "name": "Hero", "creatives": two }));
    assert_eq!((reply.status, &reply.json()["error"]["field"]), (400, &json!("name")));
    assert_eq!(server.get("/api/v1/experiments").json()["experiments"][0]["id"], made["id"]);
    assert_eq!(server.get("/api/v1/experiments?campaign=x").json()["total"], 0);
    assert_eq!(server.get("/api/v1/experiments/x").status, 404);
    let next = server.post(&format!("/api/v1/experiments/{}/next", id(&made)), &json!({}));
    assert_eq!((next.status, &next.json()["error"]["code"]), (409, &json!("no_winner")));
    let next = server.post(&format!("/api/v1/experiments/{}/next", id(&made)), &json!({ "creative": "x" }));
    assert_eq!((next.status, &next.json()["error"]["field"]), (400, &json!("creative")));
}

#[test]
fn an_optimiser_makes_no_winner_and_extremes_make_no_nan() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let asset = picture(&server, 1);
    let big = 1_000_000_000_u64;
    // People and clicks of each creative.
    let cases: [(&str, Vec<(u64, u64)>); 9] = [
        ("0 of 0", vec![(0, 0); 3]),
        ("0 of n", vec![(1000, 0); 3]),
        ("n of n", vec![(1000, 1000); 3]),
        ("one", vec![(1, 1), (1, 0)]),
        ("nobody in the first", vec![(0, 0), (1000, 50)]),
        ("all and nothing", vec![(big, big), (big, 0)]),
        ("a billion", vec![(big, big / 100), (big, big / 100 + 3000), (big, big / 50)]),
        ("a billion, hardly any", vec![(big, 1), (big, 2), (big, 0)]),
        ("64 of them", (0..64).map(|i| (big, big / 100 + i * 1000)).collect()),
    ];
    for (name, counts) in cases {
        let id = id(&experiment(&server, &asset, counts.len(), &json!({ "name": name })));
        let view = server.get(&format!("/api/v1/experiments/{id}")).json();
        let row = |(i, (people, clicks)): (usize, &(u64, u64))| {
            format!("{},2026-11-01,{people},{clicks}\n", view["creatives"][i]["key"].as_str().unwrap())
        };
        let csv =
            format!("creative,day,impressions,clicks\n{}", counts.iter().enumerate().map(row).collect::<String>());
        assert_eq!(import(&server, &id, "assignment=platform_experiment", csv.as_bytes()).status, 201, "{name}");
        let found = report(&server, &id);
        assert_eq!(found["report"]["kind"], "compared", "{name}");
        assert!(found["answer"]["headline"].as_str().unwrap().len() > 10, "{found}");
        assert!(found["answer"]["cautions"].to_string().contains("Impressions are not people"), "{found}");
        for versus in found["report"]["metrics"][0]["versus"].as_array().unwrap() {
            let told = versus.get("any_time").is_some() || versus.get("note").is_some();
            assert!(told, "{name}: neither a number nor a reason: {versus}");
        }
        let shares = server.get(&format!("/api/v1/experiments/{id}/weights"));
        match shares.status {
            200 => no_nulls(&shares.json(), name),
            status => {
                assert!(status == 409 && shares.json()["error"]["message"].as_str().unwrap().len() > 10, "{name}")
            }
        }
        // The same people, chosen by the platform.
        let reply = import(&server, &id, "assignment=platform_optimised&replace=true", csv.as_bytes());
        assert_eq!((reply.status, &reply.json()["other_assignment"]), (201, &json!("platform_experiment")), "{name}");
        let found = report(&server, &id);
        assert_eq!((&found["report"]["kind"], &found["answer"]["kind"]), (&json!("described"), &json!("described")));
        let text = found.to_string();
        for word in ["verdict", "winner\":", "versus", "beliefs", "beats_control", "p_value"] {
            assert!(!text.contains(word), "{name}: {word} in {text}");
        }
        assert_eq!(server.get(&format!("/api/v1/experiments/{id}/weights")).status, 409, "{name}");
        assert_eq!(server.post(&format!("/api/v1/experiments/{id}/next"), &json!({})).status, 409, "{name}");
    }
    // Revenue: nothing, one value, huge ones.
    for (name, rows) in [
        ("no revenue", "100,0,0|100,0,0"),
        ("same", "100,100,100|100,200,400"),
        ("huge", "1000000000,1e12,1e24|2,1e12,1e24"),
        ("nobody", "0,0,0|0,0,0"),
        ("refunds", "100,-50,900|100,-20,800"),
    ] {
        let id = id(&experiment(&server, &asset, 2, &json!({ "name": name, "metric": "revenue" })));
        let view = server.get(&format!("/api/v1/experiments/{id}")).json();
        let rows: String = rows
            .split('|')
            .enumerate()
            .map(|(i, row)| format!("{},2026-11-01,{row}\n", view["creatives"][i]["key"].as_str().unwrap()))
            .collect();
        let reply =
            import(&server, &id, "assignment=own", format!("creative,day,people,revenue,revenue2\n{rows}").as_bytes());
        assert_eq!(reply.status, 201, "{name}: {}", reply.text());
        assert_eq!(report(&server, &id)["report"]["kind"], "compared", "{name}");
    }
}

#[test]
fn people_stay_where_they_were_sent() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    const KEY: &str = "a-key-of-enough-bytes";
    let server = Server::start_with(folder.path(), Some(KEY));
    let bearer = format!("Bearer {KEY}");
    let with_key = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let ask =
        |method: &str, path: &str, body: &Value| server.request(method, path, &with_key, body.to_string().as_bytes());
    let job = ask("POST", "/api/v1/jobs", &small(1, 1)).json()["id"].as_str().unwrap().to_owned();
    let begin = Instant::now();
    let asset = loop {
        let found = ask("GET", &format!("/api/v1/jobs/{job}"), &json!({})).json();
        if let Some(asset) = found["assets"][0]["id"].as_str() {
            break asset.to_owned();
        }
        assert!(begin.elapsed() < PATIENCE, "{found}");
    };
    let creatives =
        json!([{ "asset": asset, "weight": 2 }, { "asset": asset, "weight": 1 }, { "asset": asset, "weight": 1 }]);
    let request = json!({ "name": "Hero", "url": "https://shop.example/spring", "creatives": creatives });
    let made = ask("POST", "/api/v1/experiments", &request).json();
    let id = id(&made);
    assert_eq!(made["assign_path"], Value::Null);
    let published = ask("POST", &format!("/api/v1/experiments/{id}/publish"), &json!({})).json();
    let path = published["assign_path"].as_str().unwrap().to_owned();
    let again = ask("POST", &format!("/api/v1/experiments/{id}/publish"), &json!({})).json();
    assert_eq!(again["assign_path"], published["assign_path"]);

    // Nobody needs a key for this, from whatever page, and it opens nothing else.
    let index = |unit: &str| {
        let headers = [("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")];
        let reply = server.request("GET", &format!("{path}?unit={unit}"), &headers, b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.headers.contains("access-control-allow-origin: *") && reply.headers.contains("no-store"));
        reply.json()["index"].as_u64().unwrap() as usize
    };
    let units: Vec<String> = (0..2000).map(|i| format!("person-{i}")).collect();
    let first: Vec<usize> = units.iter().map(|unit| index(unit)).collect();
    let mut counts = [0_u64; 3];
    first.iter().for_each(|i| counts[*i] += 1);
    assert!(experiment::ratio_chi_square(&counts, &[2.0, 1.0, 1.0]).unwrap().p_value > 1e-4, "{counts:?}");
    assert!(units[..200].iter().zip(&first).all(|(unit, arm)| index(unit) == *arm));
    // The documented recipe: the id of the test is the salt.
    let assigner = experiment::Assigner::new(&id, &[2.0, 1.0, 1.0]).unwrap();
    assert!(units.iter().zip(&first).all(|(unit, arm)| assigner.arm(unit) == *arm));
    let get = |query: &str| server.request("GET", &format!("{path}{query}"), &[], b"");
    let led = get("?unit=person-0&as=redirect");
    let end = format!("utm_content=hero-{:02}", first[0] + 1);
    assert!(
        led.status == 302 && led.headers.contains("location: https://shop.example/spring?utm_source=test"),
        "{}",
        led.headers
    );
    assert!(led.headers.lines().any(|line| line.starts_with("location: ") && line.ends_with(&end)), "{}", led.headers);
    for _ in 0..2 {
        let seen = get("?unit=person-0&as=picture");
        assert_eq!((seen.status, &seen.body[..2]), (200, [0xff, 0xd8].as_slice()));
        assert!(!String::from_utf8_lossy(&seen.body).contains("red fox"), "the prompt is inside");
    }
    for bad in ["", "?unit=", &format!("?unit={}", "x".repeat(257)), "?unit=a&as=x", "?unit=a&x=1", "?person=a"] {
        assert_eq!(get(bad).status, 400, "{bad}");
    }
    assert_eq!(server.request("GET", &format!("{path}?unit=a"), &[("host", "evil.example")], b"").status, 403);
    for other in [
        format!("{path}/x"),
        format!("{path}x?unit=a"),
        "/api/v1/assign/?unit=a".into(),
        format!("/api/v1/assign/{id}?unit=a"),
    ] {
        assert_eq!(server.request("GET", &other, &[], b"").status, 401, "{other}");
    }
    assert_eq!(server.request("GET", &format!("/api/v1/experiments/{id}"), &[], b"").status, 401);
    assert_eq!(server.request("POST", &format!("{path}?unit=a"), &[], b"").status, 405);

    // Shares that change reach the next person; who is on the side that grows stays.
    ask("PUT", &format!("/api/v1/experiments/{id}/weights"), &json!({ "weights": [1, 0, 0] }));
    assert!(units[..50].iter().all(|unit| index(unit) == 0));
    // A server that begins again knows it.
    server.terminate();
    let server = Server::start_with(folder.path(), Some(KEY));
    assert_eq!(server.request("GET", &format!("{path}?unit=a"), &[], b"").json()["index"], 0);
    assert_eq!(server.request("DELETE", &format!("/api/v1/experiments/{id}/publish"), &with_key, b"").status, 204);
    assert_eq!(server.request("GET", &format!("{path}?unit=a"), &[], b"").status, 401);
}

#[test]
fn the_winner_begins_the_next_round() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let brief = json!({
        "name": "Spring", "prompt": "a {colour} bicycle in {city}", "style": "{prompt}, {season}", "negative": "rain",
        "size": "96x96", "candidates": 2, "draft_preset": "draft", "texts": ["headline"], "deadline": "2027-03-01",
        "slots": { "colour": ["red", "green"], "season": ["spring"] }
    });
    let csv = "id,city,headline\nkoeln,Köln,Hallo\n";
    let campaign = id(&server.post("/api/v1/campaigns", &json!({ "brief": brief, "csv": csv })).json());
    let run = |campaign: &str| {
        server.post(&format!("/api/v1/campaigns/{campaign}/run"), &json!({ "stage": "drafts" }));
        let begin = Instant::now();
        while server.get(&format!("/api/v1/campaigns/{campaign}")).json()["state"] == "running" {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server.get(&format!("/api/v1/campaigns/{campaign}/candidates")).json()["candidates"].as_array().unwrap().clone()
    };
    let grid = run(&campaign);
    let ids: Vec<&Value> = [0, 3].iter().map(|i| &grid[*i]["id"]).collect();
    // What is not picked is no creative.
    let request = json!({ "name": "Spring test", "campaign": campaign, "creatives": [{ "candidate": ids[0] }, { "candidate": ids[1] }] });
    assert_eq!(server.post("/api/v1/experiments", &request).json()["error"]["field"], "creatives[0].candidate");
    assert_eq!(
        server.post("/api/v1/experiments", &json!({ "name": "x", "campaign": campaign })).json()["error"]["field"],
        "creatives"
    );
    server.post(&format!("/api/v1/campaigns/{campaign}/picks"), &json!({ "candidates": ids }));
    let made = server.post("/api/v1/experiments", &json!({ "name": "Spring test", "campaign": campaign })).json();
    let test = id(&made);
    assert_eq!(made["creatives"][1]["name"], "koeln-2 · 2", "{made}");
    let rows =
        "creative,day,people,clicks\nspring-test-01,2026-11-01,20000,1000\nspring-test-02,2026-11-01,20000,1400\n";
    assert_eq!(import(&server, &test, "assignment=own", rows.as_bytes()).status, 201);
    let next = server.post(&format!("/api/v1/experiments/{test}/next"), &json!({ "candidates": 3 }));
    assert_eq!(next.status, 201, "{}", next.text());
    let next = next.json();
    assert_eq!(
        (&next["creative"], &next["seed"], &next["parent"]),
        (&json!("spring-test-02"), &grid[3]["seed"], &json!(campaign))
    );
    assert_eq!((&next["name"], &next["rows"]), (&json!("Spring · round 2"), &json!(1)));
    let child = next["campaign"].as_str().unwrap();
    let brief = server.get(&format!("/api/v1/campaigns/{child}")).json()["brief"].clone();
    assert_eq!(brief["slots"], json!({ "colour": ["green"], "city": ["Köln"], "season": ["spring"] }));
    assert_eq!(
        (&brief["negative"], &brief["style"], brief.get("deadline")),
        (&json!("rain"), &json!("{prompt}, {season}"), None)
    );
    let origin = server.get(&format!("/api/v1/campaigns/{child}/origin")).json();
    assert_eq!((&origin["experiment"], &origin["parent_name"]), (&json!(test), &json!("Spring")));
    assert_eq!(server.get(&format!("/api/v1/campaigns/{campaign}/origin")).json()["experiment"], Value::Null);
    assert_eq!(server.get(&format!("/api/v1/experiments/{test}")).json()["next"][child], "Spring · round 2");
    // Its first draft is the winner again, bit by bit; the others are its neighbours.
    let drafts = run(child);
    let seed = grid[3]["seed"].as_u64().unwrap();
    assert_eq!(drafts.iter().map(|one| one["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [seed, seed + 1, seed + 2]);
    let pixels = |asset: &Value| {
        let path = format!("/api/v1/assets/{}/file", asset.as_str().unwrap());
        formats::picture::decode(&server.get(&path).body).unwrap().pixels
    };
    assert_eq!(pixels(&drafts[0]["asset"]), pixels(&grid[3]["asset"]));
    assert_ne!(pixels(&drafts[1]["asset"]), pixels(&grid[3]["asset"]));
    // Other words around the same seed; another round of the round.
    let more = json!({ "creative": "spring-test-01", "slots": { "season": ["autumn", "winter"] } });
    let more = server.post(&format!("/api/v1/experiments/{test}/next"), &more).json();
    assert_eq!((&more["name"], &more["rows"]), (&json!("Spring · round 3"), &json!(2)));
    let bad = server.post(&format!("/api/v1/experiments/{test}/next"), &json!({ "slots": { "x": ["y"] } }));
    assert_eq!((bad.status, &bad.json()["error"]["field"]), (400, &json!("brief.slots.x")));
    // A picture that no campaign drew has a recipe, too; one that was given has none.
    let asset = picture(&server, 77);
    let loose = id(&experiment(&server, &asset, 2, &json!({ "name": "Loose" })));
    let next = server.post(&format!("/api/v1/experiments/{loose}/next"), &json!({ "creative": "loose-01" })).json();
    assert_eq!((&next["seed"], &next["name"]), (&json!(77), &json!("Loose · round 2")), "{next}");
}
