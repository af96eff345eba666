//! Schedules, samplers and noise streams against torch, k-diffusion and diffusers; `golden/make.py` made the values and
//! says from which versions.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sampling::{
    BetaRise, Betas, DiscreteSigmas, RandomSource, RandomStream, SigmaSampler, SigmaSchedule, sample_sigmas,
};

/// The file's keys and numbers: a JSON object with one key a line, each value a list of numbers. f64 holds the 32-bit
/// patterns too.
fn golden() -> BTreeMap<&'static str, Vec<f64>> {
    include_str!("golden/sampling.json")
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.split_once("\": ["))
        .map(|(key, rest)| {
            let numbers = rest.trim_end_matches([',', ']']).split(", ");
            (key, numbers.map(|number| number.parse().unwrap()).collect())
        })
        .collect()
}

/// The values whose keys begin with `prefix`, by the rest of their keys, split at slashes.
fn under(prefix: &str) -> Vec<(Vec<&'static str>, Vec<f64>)> {
    let found: Vec<_> = golden()
        .into_iter()
        .filter_map(|(key, values)| Some((key.strip_prefix(prefix)?.split('/').collect(), values)))
        .collect();
    assert!(!found.is_empty(), "{prefix}");
    found
}

/// Fails on NaN and on lists of different length too.
fn assert_close(what: &str, got: impl IntoIterator<Item = f64>, expected: &[f64], relative: f64, absolute: f64) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= relative * expected.abs() + absolute, "{what}: {got} instead of {expected}");
    }
}

#[test]
#[should_panic(expected = "instead of")]
fn comparison_fails_on_nan() {
    assert_close("NaN", [f64::NAN], &[1.0], 1.0, 1.0);
}

#[test]
fn tables() {
    let sd = Betas::STABLE_DIFFUSION;
    // The first two come from diffusers' float32 alphas, whose 1 - alpha is that coarse.
    for (name, betas, tolerance) in [
        ("scaled_linear", sd, 4e-5),
        ("linear", Betas { rise: BetaRise::Linear, start: 1e-4, end: 0.02, ..sd }, 3e-4),
        ("zero_snr", Betas { zero_terminal_snr: true, ..sd }, 1e-8),
    ] {
        let table = DiscreteSigmas::new(&betas).unwrap();
        let picks = [0.0, 1.0, 250.0, 500.0, 750.0, 998.0, 999.0].map(|timestep| table.sigma_at(timestep));
        assert_close(name, picks, &golden()[format!("table/{name}").as_str()], tolerance, 0.0);
    }
}

#[test]
fn conversions() {
    let table = DiscreteSigmas::new(&Betas::STABLE_DIFFUSION).unwrap();
    let golden = golden();
    let sigmas = golden["conversion/timesteps"].iter().map(|&timestep| table.sigma_at(timestep));
    assert_close("sigmas", sigmas, &golden["conversion/sigmas"], 1e-7, 0.0);
    let timesteps = golden["conversion/from_sigmas"].iter().map(|&sigma| table.timestep_at(sigma));
    assert_close("timesteps", timesteps, &golden["conversion/to_timesteps"], 1e-7, 0.0);
}

#[test]
fn schedules() {
    let table = DiscreteSigmas::new(&Betas::STABLE_DIFFUSION).unwrap();
    let cases = under("schedule/");
    assert_eq!(cases.len(), 3 * SigmaSchedule::ALL.len());
    for (key, expected) in cases {
        let sigmas = table.schedule(key[0].parse().unwrap(), key[1].parse().unwrap()).unwrap();
        assert_close(&key.join(" "), sigmas.into_iter().map(f64::from), &expected, 1e-5, 0.0);
    }
}

/// The clean picture expected behind `x` when pictures are a mixture of three Gaussians, as in `make.py`.
fn denoise(x: &[f32], sigma: f32) -> Result<Vec<f32>, Infallible> {
    let sigma = f64::from(sigma);
    let expected = |x: f64| {
        let (mut total, mut mean) = (0.0, 0.0);
        for (weight, center, deviation) in [(0.5, -1.0, 0.3), (0.3, 0.4, 0.2), (0.2, 1.5, 0.5)] {
            let variance = deviation * deviation + sigma * sigma;
            let likelihood = weight / variance.sqrt() * f64::exp(-0.5 * (x - center).powi(2) / variance);
            total += likelihood;
            mean += likelihood * (center + deviation * deviation / variance * (x - center));
        }
        mean / total
    };
    Ok(x.iter().map(|&x| expected(f64::from(x)) as f32).collect())
}

#[test]
fn samplers() {
    let golden = golden();
    let floats = |key: &str| golden[key].iter().map(|&v| v as f32).collect::<Vec<_>>();
    let (start, noise) = (floats("start"), floats("noise"));
    let mut covered = Vec::new();
    for (key, expected) in under("sampler/").into_iter().filter(|(key, _)| key[3] == "result") {
        let sigmas = floats(&format!("sampler/{}/{}/{}/sigmas", key[0], key[1], key[2]));
        let sampler: SigmaSampler = key[0].parse().unwrap();
        let got = sample_sigmas(
            sampler,
            key[2].parse().unwrap(),
            &sigmas,
            start.iter().map(|x| x * sigmas[0]).collect(),
            &mut denoise,
            &mut |step, out| out.copy_from_slice(&noise[4 * step..][..4]),
            &mut |_| Ok(()),
        )
        .unwrap();
        assert_close(&key.join(" "), got.into_iter().map(f64::from), &expected, 0.0, 1e-4);
        covered.push(sampler);
    }
    assert!(SigmaSampler::ALL.iter().all(|sampler| covered.contains(sampler)), "{covered:?}");
}

/// The golden form of a draw: the bits of its first and last six numbers, and the sum of all bits.
fn ends(values: &[f32]) -> Vec<f64> {
    let bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    let few = bits.len().min(6);
    let sum = bits.iter().fold(0_u32, |sum, &b| sum.wrapping_add(b));
    bits[..few].iter().chain(&bits[bits.len() - few..]).chain([&sum]).map(|&b| f64::from(b)).collect()
}

#[test]
fn torch_cpu_stream() {
    for (key, expected) in under("torch_cpu/") {
        let mut stream = RandomStream::new(RandomSource::Cpu, key[0].parse().unwrap());
        let sizes = if key[1] == "mixed" { vec![3, 16, 2, 17, 1, 5, 33, 4] } else { vec![key[1].parse().unwrap()] };
        let mut all = Vec::new();
        for size in sizes {
            let mut draw = vec![0.0; size];
            stream.fill_normal(&mut draw);
            all.extend(draw);
        }
        assert_eq!(ends(&all), expected, "{key:?}");
    }
}

#[test]
fn torch_cuda_stream() {
    for (key, expected) in under("torch_cuda/") {
        let mut stream = RandomStream::new(RandomSource::Nv, key[0].parse().unwrap());
        let mut draw = vec![0.0; key[2].parse().unwrap()];
        // Earlier draws count, however long they are.
        for _ in 0..key[1].parse().unwrap() {
            stream.fill_normal(&mut draw[..1]);
        }
        stream.fill_normal(&mut draw);
        assert_eq!(ends(&draw), expected, "{key:?}");
    }
}
