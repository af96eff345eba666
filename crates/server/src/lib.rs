//! `calotype serve`: HTTP interfaces over a durable queue; the engine works in a process of its own.
