//! What many runs say together.

use std::time::Duration;

/// Figures in order, the smallest first.
#[derive(Clone, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn all(&self) -> &[f64] {
        &self.0
    }

    /// The value that this part of the figures does not exceed; `None` without figures.
    fn quantile(&self, part: f64) -> Option<f64> {
        let place = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(place.saturating_sub(1)).copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let (low, high) = (self.0.get(self.0.len().checked_sub(1)? / 2)?, self.0.get(self.0.len() / 2)?);
        Some(f64::midpoint(*low, *high))
    }

    pub(crate) fn p99(&self) -> Option<f64> {
        self.quantile(0.99)
    }

    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }

    /// The standard deviation.
    pub(crate) fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let squares = self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        Some((squares / self.0.len() as f64).sqrt())
    }
}

/// Milliseconds from `due` to `at`, negative if it was early.
pub(crate) fn ms_after(due: Duration, at: Duration) -> f64 {
    if at >= due { ms(at - due) } else { -ms(due - at) }
}

pub(crate) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
