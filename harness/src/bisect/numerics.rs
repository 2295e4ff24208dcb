//! The few special functions the search needs.

/// ln Γ(x) for x > 0, by Lanczos' approximation (g = 7, n = 9); relative error below 1e-13.
pub(super) fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let series: f64 = COEFFICIENTS[1..].iter().zip(1..).map(|(c, i)| c / (x + f64::from(i))).sum();
    let t = x + 7.5;
    (2.0 * std::f64::consts::PI).ln() / 2.0 + (x + 0.5) * t.ln() - t + (COEFFICIENTS[0] + series).ln()
}

/// ln B(a, b).
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The entropy of a distribution, in nats.
pub(super) fn entropy(probabilities: impl IntoIterator<Item = f64>) -> f64 {
    probabilities.into_iter().filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

/// The binomial distribution of `count` runs that fail with probability `p`.
pub(super) fn binomial(count: u32, p: f64) -> Vec<f64> {
    let mut weights = vec![1.0];
    for _ in 0..count {
        let mut next = vec![0.0; weights.len() + 1];
        for (failed, weight) in weights.iter().enumerate() {
            next[failed] += weight * (1.0 - p);
            next[failed + 1] += weight * p;
        }
        weights = next;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_knows_the_factorials() {
        let mut factorial = 1.0_f64;
        for n in 1..20 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-10, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
        assert!((ln_gamma(0.25) - 1.288_022_524_698_077).abs() < 1e-10);
    }

    #[test]
    fn binomials_are_distributions() {
        for p in [0.0, 0.3, 1.0] {
            assert!((binomial(8, p).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert!((binomial(2, 0.5)[1] - 0.5).abs() < 1e-12);
        assert!((entropy([0.5, 0.5]) - std::f64::consts::LN_2).abs() < 1e-12);
    }
}
