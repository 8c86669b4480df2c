//! Two things measured in turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

/// Turns each; the median of that many ratios is steady on a machine with company.
const TURNS: usize = 31;
/// Length of one turn: long beside a timer interrupt, short beside a change of frequency.
const TURN: Duration = Duration::from_millis(4);

/// What a comparison found.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Nanoseconds of one run of the subject, median.
    pub subject_ns: f64,
    /// Nanoseconds of one run of the reference, median.
    pub reference_ns: f64,
    /// Subject to reference, median of the turns.
    pub ratio: f64,
}

/// Runs both in turns.
pub fn compare(mut subject: impl FnMut(), mut reference: impl FnMut()) -> Comparison {
    let (subject_runs, reference_runs) = (runs_per_turn(&mut subject), runs_per_turn(&mut reference));
    let (mut subjects, mut references, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let one = time(&mut subject, subject_runs);
        let other = time(&mut reference, reference_runs);
        subjects.push(one);
        references.push(other);
        ratios.push(one / other);
    }
    Comparison { subject_ns: median(subjects), reference_ns: median(references), ratio: median(ratios) }
}

/// Warms up, and finds how many runs fill one turn.
fn runs_per_turn(step: &mut impl FnMut()) -> u32 {
    let mut runs = 1;
    loop {
        let begun = Instant::now();
        (0..runs).for_each(|_| step());
        if begun.elapsed() >= TURN || runs >= 1 << 24 {
            return runs;
        }
        runs *= 2;
    }
}

#[allow(clippy::cast_precision_loss)] // nanoseconds of milliseconds
fn time(step: &mut impl FnMut(), runs: u32) -> f64 {
    let begun = Instant::now();
    (0..runs).for_each(|_| step());
    begun.elapsed().as_nanos() as f64 / f64::from(runs)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn more_work_takes_more_time() {
        let work = |rounds: u64| {
            black_box((0..rounds).fold(0_u64, |sum, i| black_box(sum.wrapping_add(i))));
        };
        let found = compare(|| work(10_000), || work(1_000));
        assert!((3.0..30.0).contains(&found.ratio), "{found:?}"); // wide: the machine has company
    }

    #[test]
    fn medians_ignore_outliers() {
        assert!((median(vec![3.0, 1_000.0, 1.0]) - 3.0).abs() < f64::EPSILON);
    }
}
