//! What is to be measured, and how often.

use std::time::Duration;

/// From the command line.
pub(crate) struct Plan {
    /// As little as shows that everything can be measured.
    pub(crate) quick: bool,
    /// Whether the table and the pictures go beside the program.
    pub(crate) publish: bool,
    runs: usize,
    only: Vec<String>,
}

impl Plan {
    pub(crate) fn read(words: impl Iterator<Item = String>, names: &[&str]) -> Result<Self, String> {
        let mut plan = Self { quick: false, publish: false, runs: 30, only: Vec::new() };
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => plan.quick = true,
                "--publish" => plan.publish = true,
                "--runs" => {
                    let number = words.next().and_then(|text| text.parse().ok());
                    plan.runs = number.filter(|runs| *runs > 0).ok_or("--runs wants a number")?;
                }
                name if names.contains(&name) => plan.only.push(word),
                _ => return Err(format!("{word}: neither an option nor one of {}", names.join(", "))),
            }
        }
        if plan.publish && (plan.quick || !plan.only.is_empty()) {
            return Err(
                "what is published is the whole of it: --publish without --quick and MEASURE".to_owned()
            );
        }
        Ok(plan)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// How often something is done whose full number this is when `--runs` is 30.
    pub(crate) fn runs(&self, of_thirty: usize) -> usize {
        if self.quick { 1 } else { (self.runs * of_thirty).div_ceil(30) }
    }

    /// How often all begins anew where it would take too long to do so for each run, so that no daemon has the better time
    /// of day.
    pub(crate) fn batches(&self) -> usize {
        if self.quick { 1 } else { self.runs.min(3) }
    }

    /// How long something is watched for which this long is enough when `--runs` is 30.
    pub(crate) fn span(&self, full: Duration) -> Duration {
        if self.quick {
            return full.min(Duration::from_secs(1));
        }
        (full * self.runs as u32 / 30).max(full.min(Duration::from_secs(4)))
    }
}
