//! The catalogue and the planner, from outside: the numbers are those of the library, the speed is that of what was drawn, and
//! what is wrong is named.

use serde_json::{Value, json};

use crate::support::{Reply, Server, one_at_a_time};

fn put(server: &Server, text: &str) -> Reply {
    let toml = [("content-type", "application/toml")];
    server.request("PUT", "/api/v1/prices/file", &toml, text.as_bytes())
}

fn plan(server: &Server, request: &Value) -> Reply {
    server.post("/api/v1/prices/plan", request)
}

/// A catalogue of one offer by the picture and the studio's own machine.
fn catalogue(price: &str) -> String {
    let rest = "currency = 'EUR'\nrounding = 'none'\nsource = 'https://example.com'\nchecked_on = 2026-06-01\n\
                confidence = 'high'\nrights = 'all'\nmarks = 'none'\n";
    format!(
        "[[offer]]\nid = 'api'\nvendor = 'v'\nkind = 'api'\nbilling = 'image'\nmodel = 'm'\nprice = '{price}'\n{rest}\
         [[offer]]\nid = 'own'\nvendor = 'own'\nkind = 'own_hw'\nbilling = 'machine'\ndevice = 'local'\n\
         machine_price = 3000\nmonths = 36\nresidual = '0.1'\nload_kw = '0.5'\nidle_kw = '0.1'\npue = 1\n\
         energy_price = '0.15'\nadmin_hours = 0\nwage = 0\nrack = 0\nhours_per_month = 730\nutilisation = 1\n{rest}"
    )
}

/// The same JSON; numbers may differ by what reading them from decimals costs.
fn same(told: &Value, expected: &Value, path: &str) {
    match (told, expected) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{path}: {told} {expected}");
            a.iter().for_each(|(name, value)| same(value, &b[name], &format!("{path}.{name}")));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{path}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| same(a, b, &format!("{path}[{i}]")));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-14 * b.abs(), "{path}: {a} {b}");
        }
        _ => assert_eq!(told, expected, "{path}"),
    }
}

#[test]
fn the_planner_says_the_numbers_of_the_library_at_the_speed_that_was_measured() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let shown = server.get("/api/v1/prices").json();
    assert_eq!((&shown["own"], &shown["problems"]), (&json!(false), &json!([])));
    let rows = shown["offers"].as_array().unwrap();
    assert!(rows.len() > 10 && rows.iter().all(|row| row["source"].is_string() && row["checked_on"].is_string()));
    assert!(rows.iter().any(|row| row["stale"] == true && row["grey"].as_str().unwrap().contains("days ago")));

    assert_eq!(put(&server, &catalogue("0.03")).status, 200);
    let shown = server.get("/api/v1/prices").json();
    assert_eq!((&shown["own"], &shown["offers"][1]["id"]), (&json!(true), &json!("own")));
    let campaign = json!({
        "currency": "EUR", "assets": 50, "candidates": 8, "retries": "0.3", "size": "32x32", "preset": "draft",
        "extras": { "reviewer_minutes": "2", "reviewer_wage": "60" }
    });
    let asked = json!({ "campaign": campaign, "today": "2026-06-15" });
    let before = plan(&server, &asked).json();
    assert_eq!((&before["work"]["generations"], &before["offers"][0]["cost"]["amount"]), (&json!(520), &json!("15.6")));
    // 15.60 for the pictures and 100 minutes at 60 an hour, by 50.
    assert_eq!(before["offers"][0]["per_asset"], json!({ "amount": "2.312", "currency": "EUR" }));
    assert_eq!(before["excluded"][0]["reasons"][0]["reason"], "no_speed");
    assert!(
        before["summary"].as_str().unwrap().starts_with("For 520 pictures api costs least: 115.60 EUR"),
        "{before}"
    );

    let predicted = plan(&server, &json!({ "campaign": campaign, "predict": "default" })).json();
    let own = predicted["offers"].as_array().unwrap().iter().find(|line| line["offer"] == "own").unwrap().clone();
    assert_eq!((&own["measured"], &predicted["speeds"][0]["pictures"]), (&json!(0), &json!(0)));

    let job = json!({ "prompt": "a red fox", "seed": 1, "count": 3, "size": "32x32", "preset": "draft" });
    let done = server.wait(server.post("/api/v1/jobs", &job).json()["id"].as_str().unwrap());
    // A job with steps of its own is another speed.
    let job = json!({ "prompt": "a red fox", "seed": 1, "steps": 2, "size": "32x32", "preset": "draft" });
    server.wait(server.post("/api/v1/jobs", &job).json()["id"].as_str().unwrap());
    let after = plan(&server, &asked).json();
    let speed = &after["speeds"][0];
    let each = done["seconds"].as_f64().unwrap() / 3.0;
    assert_eq!(
        (&speed["model"], &speed["preset"], &speed["pictures"]),
        (&json!("default"), &json!("draft"), &json!(3))
    );
    assert!((speed["p50_seconds"].as_f64().unwrap() - each).abs() < 1e-9, "{speed} {each}");
    let own = after["offers"].as_array().unwrap().iter().find(|line| line["offer"] == "own").unwrap().clone();
    assert_eq!((&own["id"], &own["measured"]), (&json!("own/default/draft"), &json!(3)));
    assert!((own["seconds"].as_f64().unwrap() - 520.0 * each).abs() < 1e-6, "{own}");

    // The library, asked the same with the same speeds, answers the same.
    let catalogue = price::Catalogue::parse("prices.toml", &catalogue("0.03")).unwrap();
    let campaign: price::Campaign = serde_json::from_value(campaign).unwrap();
    let speeds: Vec<price::Speed> = serde_json::from_value(after["speeds"].clone()).unwrap();
    let report = price::report(&catalogue, &campaign, &speeds, "2026-06-15".parse().unwrap()).unwrap();
    let mut told = after.clone();
    told.as_object_mut().unwrap().remove("speeds");
    same(&told, &serde_json::to_value(&report).unwrap(), "report");

    // Figures stand in place of the catalogue's row, and cheaper energy makes a cheaper machine.
    let with = |energy: &str| {
        let request = json!({ "campaign": asked["campaign"], "machine": { "energy_price": energy } });
        let found = plan(&server, &request).json();
        let lines = found["offers"].as_array().unwrap().clone();
        let own: Vec<Value> = lines.into_iter().filter(|line| line["kind"] == "own_hw").collect();
        assert_eq!((own.len(), &own[0]["offer"]), (1, &json!("own.machine")));
        own[0]["cost"]["amount"].as_str().unwrap().parse::<f64>().unwrap()
    };
    assert!(with("0.1") < with("0.5"));
    let file = server.get("/api/v1/prices/file");
    assert!(file.text().contains("id = 'own'"));
    assert_eq!(server.request("DELETE", "/api/v1/prices/file", &[], b"").json()["own"], false);
}

#[test]
fn what_is_wrong_with_prices_is_named() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let field = |request: Value| {
        let reply = plan(&server, &request);
        assert_eq!(reply.status, 400, "{request}: {}", reply.text());
        reply.json()["error"]["field"].as_str().unwrap_or_default().to_owned()
    };
    let cases = [
        (json!({ "campaign": { "assets": -1 } }), "campaign.assets"),
        (json!({ "campaign": { "assets": 1.5 } }), "campaign.assets"),
        (json!({ "campaign": { "assets": 1, "candidates": 0 } }), "campaign.candidates"),
        (json!({ "campaign": { "assets": 1, "ratios": 0 } }), "campaign.ratios"),
        (json!({ "campaign": { "assets": 1, "retries": "-0.1" } }), "campaign.retries"),
        (json!({ "campaign": { "assets": 1, "retries": "many" } }), "campaign.retries"),
        (json!({ "campaign": { "assets": 1, "currency": "ZZZ" } }), "campaign.currency"),
        (json!({ "campaign": { "assets": 1, "size": "0x5" } }), "campaign.size"),
        (json!({ "campaign": { "assets": 1, "surprise": 1 } }), "campaign.surprise"),
        (json!({ "campaign": { "assets": 1, "budget": { "amount": "-5", "currency": "USD" } } }), "campaign.budget"),
        (
            json!({ "campaign": { "assets": 1, "currency": "USD", "budget": { "amount": "5", "currency": "EUR" } } }),
            "campaign.budget.currency",
        ),
        (json!({ "campaign": { "assets": u64::MAX, "candidates": u64::MAX, "ratios": u64::MAX } }), "campaign"),
        (json!({ "campaign": { "assets": 1, "extras": { "reviewer_wage": "x" } } }), "campaign.extras.reviewer_wage"),
        (json!({ "machine": { "residual": "2" } }), "machine.residual"),
        (json!({ "machine": { "months": 0 } }), "machine.months"),
        (json!({ "machine": { "idle_kw": "9" } }), "machine.idle_kw"),
        (json!({ "machine": { "seconds": "6" } }), "machine.seconds"),
        (json!({ "predict": "nobody" }), "predict"),
        (json!({ "predict": "default", "campaign": { "preset": "quick" } }), "campaign.preset"),
        (json!({ "today": "soon" }), "today"),
        (json!({ "speeds": [] }), "speeds"),
    ];
    for (request, expected) in cases {
        assert_eq!(field(request.clone()), expected, "{request}");
    }
    // An impossible budget is no mistake: every offer is left out, and says why.
    let nothing = json!({ "campaign": { "assets": 50, "budget": { "amount": "0", "currency": "USD" } } });
    let nothing = plan(&server, &nothing).json();
    assert_eq!((&nothing["offers"], &nothing["cheapest"]), (&json!([]), &Value::Null));
    assert!(nothing["summary"].as_str().unwrap().contains("No offer"), "{nothing}");
    let with_reason = |row: &&Value| row["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    let excluded = nothing["excluded"].as_array().unwrap();
    assert_eq!(excluded.iter().filter(with_reason).count(), excluded.len());

    // The catalogue: unknown keys, negative prices and missing fields, by row, field and line; nothing is half taken.
    let broken = catalogue("0.03").replace("price = '0.03'", "price = '-1'\nsurprise = 1").replace("months = 36\n", "");
    let reply = put(&server, &broken);
    let told = reply.json();
    assert_eq!((reply.status, &told["error"]["field"]), (400, &json!("catalogue")));
    let rows: Vec<(&str, &str, u64)> = told["error"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["row"].as_str().unwrap(), row["field"].as_str().unwrap(), row["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows, [("api", "price", 7), ("api", "surprise", 8), ("own", "months", 16)]);
    assert_eq!(server.get("/api/v1/prices").json()["own"], false);
    assert_eq!(put(&server, "not toml").status, 400);
    assert_eq!(server.request("PUT", "/api/v1/prices/file", &[("content-type", "text/plain")], b"x").status, 415);
    assert_eq!(
        server.request("PUT", "/api/v1/prices/file", &[("content-type", "application/toml")], b"\xff").status,
        400
    );

    // A file that was broken by hand is told of, and never replaced in silence.
    std::fs::write(folder.path().join("prices.toml"), &broken).unwrap();
    let shown = server.get("/api/v1/prices").json();
    assert_eq!((&shown["offers"], &shown["problems"][0]["field"]), (&json!([]), &json!("price")));
    let reply = plan(&server, &json!({ "campaign": { "assets": 1 } }));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (409, &json!("broken_catalogue")));
    assert!(!reply.text().contains(folder.path().to_str().unwrap()), "folders are nobody's business");
}
