//! How often training draws a record: near duplicates share one concept's weight, subjects that fill the
//! sources are bounded, and the kinds and styles get the shares the recipe asks for.

use std::collections::BTreeMap;

use crate::recipe::{Cap, Mix};
use crate::record::Record;

/// Subjects whose colours do not tell things apart.
const TONED: &[&str] = &["people", "hands", "body", "clocks", "flags"];

/// Pictures of one concept, style, kind, colour and source together weigh at most this many.
const MAX_ALIKE: f64 = 2.0;

/// Rounds of proportional fitting; shares and bounds settle within a fraction of a percent.
const ROUNDS: usize = 60;

/// Sets the weights of all records; they sum to the number of records.
pub(crate) fn assign(records: &mut [&mut Record], mix: &Mix, caps: &[Cap]) {
    let mut alike: BTreeMap<(String, String, &str, String, Option<String>), f64> = BTreeMap::new();
    let key = |r: &Record| {
        // A blue and a red heart are two things to ask for; skin in two tones is one person twice.
        let colour = if TONED.contains(&r.group.as_str()) { None } else { r.colour.clone() };
        (r.concept.clone(), r.style.clone(), r.kind.name(), r.source.clone(), colour)
    };
    for record in records.iter() {
        *alike.entry(key(record)).or_default() += 1.0;
    }
    let mut weights: Vec<f64> = records
        .iter()
        .map(|r| {
            let n = alike[&key(r)];
            (MAX_ALIKE / n).min(1.0)
        })
        .collect();
    for _ in 0..ROUNDS {
        share(records, &mut weights, &mix.styles, |r| r.style.as_str());
        share(records, &mut weights, &mix.kinds, |r| r.kind.name());
        for cap in caps {
            bound(records, &mut weights, cap);
        }
    }
    let total: f64 = weights.iter().sum();
    let scale = if total > 0.0 { records.len() as f64 / total } else { 1.0 };
    for (record, weight) in records.iter_mut().zip(weights) {
        record.weight = (weight * scale) as f32;
    }
}

fn share(records: &[&mut Record], weights: &mut [f64], wanted: &BTreeMap<String, f64>, name: impl Fn(&Record) -> &str) {
    let total: f64 = weights.iter().sum();
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (record, weight) in records.iter().zip(weights.iter()) {
        *sums.entry(name(record)).or_default() += weight;
    }
    let named: f64 = wanted.iter().filter(|(n, _)| sums.contains_key(n.as_str())).map(|(_, share)| share).sum();
    if named <= 0.0 {
        return;
    }
    let rest: f64 = sums.iter().filter(|(n, _)| !wanted.contains_key(**n)).map(|(_, s)| s).sum();
    // Shares of names that do not occur go to the others; what is not named keeps its mass.
    let room = (total - rest) / named;
    for (record, weight) in records.iter().zip(weights.iter_mut()) {
        let name = name(record);
        if let (Some(share), Some(sum)) = (wanted.get(name), sums.get(name))
            && *sum > 0.0
        {
            *weight *= share * room / sum;
        }
    }
}

fn bound(records: &[&mut Record], weights: &mut [f64], cap: &Cap) {
    let matches = |r: &Record| {
        cap.group.as_ref().is_none_or(|g| *g == r.group) && cap.style.as_ref().is_none_or(|s| *s == r.style)
    };
    let total: f64 = weights.iter().sum();
    let inside: f64 = records.iter().zip(weights.iter()).filter(|(r, _)| matches(r)).map(|(_, w)| w).sum();
    let outside = total - inside;
    if inside <= cap.share * total || outside <= 0.0 || cap.share >= 1.0 {
        return;
    }
    let scale = cap.share / (1.0 - cap.share) * outside / inside;
    for (record, weight) in records.iter().zip(weights.iter_mut()) {
        if matches(record) {
            *weight *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;

    fn record(concept: &str, group: &str, kind: Kind) -> Record {
        Record { concept: concept.into(), group: group.into(), kind, style: "s".into(), ..Record::default() }
    }

    #[test]
    fn duplicates_people_and_kinds_get_their_shares() {
        let mut records: Vec<Record> = (0..30).map(|_| record("waving hand", "people", Kind::Original)).collect();
        records.extend((0..20).map(|i| record(&format!("person {i}"), "people", Kind::Original)));
        records.extend((0..10).map(|i| record(&format!("thing {i}"), "objects", Kind::Original)));
        records.extend((0..100).map(|i| record(&format!("thing {i}"), "objects", Kind::Recoloured)));
        let mix =
            Mix { kinds: [("original".to_owned(), 0.6), ("recoloured".to_owned(), 0.4)].into(), ..Mix::default() };
        let caps = [Cap { group: Some("people".into()), style: None, share: 0.12 }];
        assign(&mut records.iter_mut().collect::<Vec<_>>(), &mix, &caps);
        let total: f32 = records.iter().map(|r| r.weight).sum();
        let of = |f: &dyn Fn(&Record) -> bool| records.iter().filter(|r| f(r)).map(|r| r.weight).sum::<f32>() / total;
        assert!((of(&|r| r.group == "people") - 0.12).abs() < 0.01);
        assert!((of(&|r| r.kind == Kind::Original) - 0.6).abs() < 0.01);
        let waving = of(&|r| r.concept == "waving hand");
        let person = of(&|r| r.concept == "person 1");
        assert!((waving / person - 2.0).abs() < 0.01, "{waving} {person}");
    }
}
