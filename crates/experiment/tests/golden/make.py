"""Reference values for the tests of this crate.

    pip install gbstats statsmodels scipy mpmath choix && python make.py

writes special.json, compare.json, bayes.json, plan.json and duels.json beside this file. Inputs are random with a fixed
seed; extreme cases stand first. The versions that were used are in each file.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import choix
import mpmath as mp
import numpy as np
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig
from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import ProportionStatistic, SampleMeanStatistic
from gbstats.utils import check_srm
from scipy import special, stats
from statsmodels.stats import multitest, power, proportion

HERE = Path(__file__).parent
VERSIONS = {name: version(name) for name in ["gbstats", "statsmodels", "scipy", "numpy", "mpmath", "choix"]}
mp.mp.dps = 60


def write(name, **tables):
    def plain(value):
        if isinstance(value, (list, tuple, np.ndarray)):
            return [plain(v) for v in value]
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating, mp.mpf)):
            value = float(value)
            assert np.isfinite(value), (name, value)
            return value
        return value

    tables = {key: [plain(row) for row in rows] for key, rows in tables.items()}
    head = json.dumps({"made_by": "make.py", "versions": VERSIONS})[:-1]
    body = ", ".join(f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for key, rows in tables.items())
    text = head + ", " + body + "}\n"
    assert len(text) < 1_000_000, name
    (HERE / name).write_text(text)


def make_special():
    rng = np.random.default_rng(1)
    rows = []
    for _ in range(500):
        z = rng.uniform(-8, 37)
        rows.append(["normal_sf", z, stats.norm.sf(z)])
        p = 10 ** rng.uniform(-300, -0.001)
        rows.append(["normal_isf", p, stats.norm.isf(p)])
        k, x = int(rng.integers(1, 64)), 10 ** rng.uniform(-3, 3.1)
        rows.append(["chi_square_sf", x, k, stats.chi2.sf(x, k)])
        degrees, t = 10 ** rng.uniform(0, 9.3), rng.choice([-1, 1, 1, 1]) * 10 ** rng.uniform(-2, 1.4)
        rows.append(["t_sf", t, degrees, stats.t.sf(t, degrees)])
        p = 10 ** rng.uniform(-12, -0.31)
        rows.append(["t_isf", p, degrees, stats.t.isf(p, degrees)])
        m = 10 ** rng.uniform(-2, 9)
        x = m * (1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-4, 0))
        rows.append(["deviance", x, m, mp.mpf(x) * mp.log(mp.mpf(x) / m) + m - x if x > 0 else m])
        a = mp.mpf(10 ** rng.uniform(-3, 9))
        rows.append(["stirling_error", a, mp.loggamma(a) - ((a - 0.5) * mp.log(a) - a + mp.log(2 * mp.pi) / 2)])
    write("special.json", rows=rows)


def random_proportions(rng):
    """Two arms with a shared magnitude, neither without variance."""
    while True:
        people = [int(10 ** rng.uniform(1, 9)) for _ in range(2)]
        rate = 10 ** rng.uniform(-4, -0.05)
        counts = [int(rng.binomial(n, min(rate * rng.uniform(0.8, 1.25), 0.999))) for n in people]
        if all(0 < c < n for c, n in zip(counts, people)):
            return people, counts


def random_means(rng):
    people, sums, squares = [], [], []
    scale = 10 ** rng.uniform(-3, 5)
    for _ in range(2):
        n = int(10 ** rng.uniform(0.5, 9))
        mean, sd = scale * rng.uniform(0.8, 1.2), scale * 10 ** rng.uniform(-1, 1)
        mean += sd / np.sqrt(n) * rng.normal()
        people.append(n)
        sums.append(n * abs(mean))
        squares.append((n - 1) * sd**2 + n * mean**2)
    return people, sums, squares


def frequentist(a, b, alpha, tuning):
    """[estimate, standard error, low, high, p] of Welch (p from the survival function) and [low, high, p] of sequential."""
    out = []
    for relative in ["relative", "absolute"]:
        test = TwoSidedTTest(a, b, FrequentistConfig(alpha=alpha, difference_type=relative))
        result = test.compute_result()
        assert result.error_message is None
        p = 2 * stats.t.sf(abs(test.critical_value), test.dof)
        assert abs(p - result.p_value) < 1e-9  # gbstats subtracts the cdf from one
        out.append([result.expected, np.sqrt(test.variance), *result.ci, p])
        with np.errstate(over="ignore"):
            config = SequentialConfig(alpha=alpha, difference_type=relative, sequential_tuning_parameter=tuning)
            result = SequentialTwoSidedTTest(a, b, config).compute_result()
        out.append([*result.ci, result.p_value])
    return out


def make_compare():
    rng = np.random.default_rng(2)
    proportions, means, holm, srm, dirichlet = [], [], [], [], []
    for _ in range(500):
        alpha, tuning = float(rng.choice([0.2, 0.1, 0.05, 0.01, 0.001])), float(rng.choice([500, 5000, 20000]))
        people, counts = random_proportions(rng)
        a, b = (ProportionStatistic(n=n, sum=c) for n, c in zip(people, counts))
        wilson = proportion.proportion_confint(counts[1], people[1], alpha, "wilson")
        newcombe = proportion.confint_proportions_2indep(
            counts[1], people[1], counts[0], people[0], method="newcomb", compare="diff", alpha=alpha
        )
        proportions.append([people, counts, alpha, tuning, *frequentist(a, b, alpha, tuning), wilson, newcombe])
        people, sums, squares = random_means(rng)
        a, b = (SampleMeanStatistic(n=n, sum=s, sum_squares=q) for n, s, q in zip(people, sums, squares))
        means.append([people, sums, squares, alpha, tuning, *frequentist(a, b, alpha, tuning)])
        p = 10 ** rng.uniform(-12, 0, int(rng.integers(1, 64)) if len(holm) < 50 else 3)
        holm.append([p, multitest.multipletests(p, method="holm")[1]])
        arms = int(rng.integers(2, 9))
        weights = rng.uniform(0.1, 2, arms)
        total = int(10 ** rng.uniform(1, 9))
        users = rng.multinomial(total, rng.dirichlet(weights / weights.sum() * 10 ** rng.uniform(2, 9)))
        srm.append([users, weights, check_srm(list(users), list(weights))])
        # Lindon and Malek, arXiv 2011.03567: ln Bayes factor of a Dirichlet around the planned shares against them.
        shares = [mp.mpf(w) / mp.fsum(map(mp.mpf, weights)) for w in weights]
        spread = mp.mpf(10000)
        log_factor = mp.loggamma(spread) - mp.loggamma(spread + total)
        for share, count in zip(shares, users):
            count = int(count)
            log_factor += mp.loggamma(spread * share + count) - mp.loggamma(spread * share) - count * mp.log(share)
        dirichlet.append([users, weights, log_factor])
    write("compare.json", proportions=proportions, means=means, holm=holm, srm=srm, dirichlet=dirichlet)


def exact_best(posteriors):
    """P(best) and expected loss of independent posteriors (scipy frozen distributions), by Gauss-Legendre panels."""
    points = sorted({float(d.ppf(q)) for d in posteriors for q in [1e-28, 1e-20, 1e-13, 1e-6, 0.02, 0.5]}
                    | {float(d.isf(q)) for d in posteriors for q in [1e-28, 1e-20, 1e-13, 1e-6, 0.02]})
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.concatenate([np.linspace(low, high, 3)[:-1] for low, high in zip(points, points[1:])] + [points[-1:]])
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    x, w = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
    cdf, pdf = np.array([d.cdf(x) for d in posteriors]), np.array([d.pdf(x) for d in posteriors])
    others = [np.prod(np.delete(cdf, i, axis=0), axis=0) for i in range(len(posteriors))]
    best = np.array([np.sum(w * pdf[i] * others[i]) for i in range(len(posteriors))])
    loss = np.array([np.sum(w * cdf[i] * (1 - others[i])) for i in range(len(posteriors))])
    assert abs(best.sum() - 1) < 1e-9, best.sum()
    return best, loss


def miller(a, b):
    """P(B > A) of two beta posteriors with whole parameters, exactly (Evan Miller's sum), by mpmath."""
    (a1, b1), (a2, b2) = a, b
    return mp.fsum(
        mp.beta(a1 + i, b1 + b2) / ((b2 + i) * mp.beta(1 + i, b2) * mp.beta(a1, b1)) for i in range(a2)
    )


def make_bayes():
    rng = np.random.default_rng(3)
    betas, pairs, normals, pairs_normal = [], [], [], []
    while len(betas) < 500:
        arms = int(rng.integers(2, 7))
        rate = rng.uniform(0.002, 0.6)
        people = [int(10 ** rng.uniform(2, 9)) for _ in range(arms)]
        # Far enough apart to be told apart sometimes, whatever the size.
        apart = rate * 2 * rng.normal(size=arms) / np.sqrt(rate * np.min(people))
        counts = [int(rng.binomial(n, np.clip(rate + d, 0, 1))) for n, d in zip(people, apart)]
        posteriors = [stats.beta(1 + c, 1 + n - c) for n, c in zip(people, counts)]
        best, loss = exact_best(posteriors)
        intervals = [[d.ppf(0.025), d.isf(0.025)] for d in posteriors]
        betas.append([people, counts, best, loss, intervals])
    for _ in range(500):
        people = [int(10 ** rng.uniform(0, 3.5)) for _ in range(2)]
        counts = [int(rng.binomial(n, rng.uniform(0.01, 0.05))) for n in people]
        mp.mp.dps = 40
        pairs.append([people, counts, miller(*[(1 + c, 1 + n - c) for n, c in zip(people, counts)])])
    for _ in range(500):
        people, sums, squares = random_means(rng)
        a, b = (SampleMeanStatistic(n=n, sum=s, sum_squares=q) for n, s, q in zip(people, sums, squares))
        config = EffectBayesianConfig(difference_type="absolute", prior_type="absolute", alpha=0.05)
        result = EffectBayesianABTest(a, b, config).compute_result()
        sd = result.uplift.stddev
        # gbstats' risk goes through the moments of a truncated normal, which lose digits in the tails.
        mu = result.uplift.mean
        risk = [sd * stats.norm.pdf(mu / sd) + mu * stats.norm.cdf(mu / sd), sd * stats.norm.pdf(mu / sd) - mu * stats.norm.sf(mu / sd)]
        if abs(mu / sd) < 4:
            assert np.allclose(risk, result.risk, rtol=1e-6), (risk, result.risk)
        normals.append([people, sums, squares, result.chance_to_win, risk[0], risk[1]])
    write("bayes.json", betas=betas, pairs=pairs, normals=normals)


def make_plan():
    rng = np.random.default_rng(4)
    proportions, means = [], []
    while len(proportions) < 500:
        base, lift = 10 ** rng.uniform(-4, -0.1), rng.uniform(-0.9, 1.0)
        if not 0 < base * (1 + lift) < 1 or abs(lift) < 0.01:
            continue
        alpha, wanted = 10 ** rng.uniform(-4, -0.7), rng.uniform(0.5, 0.99)
        other = base * (1 + lift)
        sd = np.sqrt(base * (1 - base) + other * (1 - other))
        n = power.normal_sample_size_one_tail(other - base, wanted, alpha / 2, sd)
        reached = power.normal_power_het(abs(other - base), max(np.ceil(n), 2), alpha, std_null=sd, std_alternative=sd)
        proportions.append([base, lift, alpha, wanted, n, reached])
        mean, sd = 10 ** rng.uniform(-2, 4), 10 ** rng.uniform(-2, 4)
        n = power.normal_sample_size_one_tail(mean * lift, wanted, alpha / 2, sd * np.sqrt(2))
        means.append([mean, sd, lift, alpha, wanted, n])
    assignments = []
    for i in range(500):
        salt, person = f"salt-{i % 7}", ["{}", "person-{}", "zoë {}"][i % 3].format(i)
        weights = [float(w) for w in rng.integers(0, 5, int(rng.integers(1, 7))) + (i % 2)] + [1.0]
        data = len(salt.encode()).to_bytes(8, "little") + salt.encode() + person.encode()
        place = int.from_bytes(hashlib.sha256(data).digest()[:8], "big") / 2**64
        borders = np.cumsum(weights) / sum(weights)
        assignments.append([salt, person, weights, int(np.searchsorted(borders, place, side="right"))])
    write("plan.json", proportions=proportions, means=means, assignments=assignments)


def make_duels():
    rng = np.random.default_rng(5)
    rows = []
    while len(rows) < 500:
        items, duels = int(rng.integers(2, 8)), int(rng.integers(1, 40))
        strength = rng.normal(size=items)
        table, doubled = [], []
        for _ in range(duels):
            i, j = (int(x) for x in rng.choice(items, 2, replace=False))
            if rng.random() < 0.2:
                table.append([i, j, 0.5])
                doubled += [(i, j), (j, i)]
            else:
                won = rng.random() < 1 / (1 + np.exp(strength[j] - strength[i]))
                table.append([i, j, 1.0 if won else 0.0])
                doubled += [(i, j) if won else (j, i)] * 2
        # Every duel twice, so that a tie is one win each; the penalty of the prior N(0, sd²) doubles with them.
        sd = float(rng.choice([1.0, 2.0, 3.0]))
        penalty = 2 / (2 * sd**2)
        theta = choix.opt_pairwise(items, doubled, alpha=penalty, method="Newton-CG", tol=1e-12)

        def gradient_and_hessian(theta):
            gradient, hessian = -theta / sd**2, np.eye(items) / sd**2
            for i, j, score in table:
                p = special.expit(theta[i] - theta[j])
                gradient[i] += score - p
                gradient[j] -= score - p
                e = np.zeros(items)
                e[i], e[j] = 1, -1
                hessian += p * (1 - p) * np.outer(e, e)
            return gradient, hessian

        exact = theta
        for _ in range(50):
            gradient, hessian = gradient_and_hessian(exact)
            exact = exact + np.linalg.solve(hessian, gradient)
        assert np.allclose(exact, theta, atol=1e-4), (exact, theta)
        covariance = np.linalg.inv(gradient_and_hessian(exact)[1])
        rows.append([items, sd, table, exact, np.sqrt(np.diag(covariance))])
    write("duels.json", rows=rows)


if __name__ == "__main__":
    make_special()
    make_compare()
    make_plan()
    make_duels()
    make_bayes()
