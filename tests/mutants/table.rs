//! The table's reader.
//!
//! ```text
//! mutant NAME
//! file src/somewhere.rs
//! test path::of::the::test            (walk: the random walk; balance::…: of that simulator)
//! words what the checker says         (several, with ` | ` between them: one of them)
//! - the text, line by line,
//! - that is replaced
//! + what replaces it; where this contains MUTANT, it stands for the question whether the mutant is awake
//! ```

/// The test that `walk` stands for.
const WALK: &str = "walk::whatever_happens_one_master_is_left_and_clients_are_served";

/// One planted bug.
#[derive(Debug, Default)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) file: String,
    /// The test that must fail.
    pub(crate) test: String,
    /// Words that the checker must say.
    pub(crate) words: String,
    pub(crate) original: String,
    pub(crate) replacement: String,
}

impl Mutant {
    /// The last part of the test's path.
    pub(crate) fn killer(&self) -> &str {
        if self.test == WALK { "the_walk" } else { self.test.rsplit("::").next().unwrap_or(&self.test) }
    }

    fn is_whole(&self) -> bool {
        ![&self.name, &self.file, &self.test, &self.words, &self.original].iter().any(|text| text.is_empty())
    }
}

/// Reads the table; lines that begin with `#` are remarks.
pub(crate) fn read(text: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let problem = || format!("tests/mutants/table.txt:{number}: {line}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "mutant" {
            mutants.push(Mutant { name: rest.into(), ..Mutant::default() });
            continue;
        }
        let mutant = mutants.last_mut().ok_or_else(problem)?;
        match word {
            "file" => mutant.file = rest.into(),
            "test" if rest == "walk" => mutant.test = WALK.into(),
            "test" => mutant.test = rest.into(),
            "words" => mutant.words = rest.into(),
            "-" => join(&mut mutant.original, rest),
            "+" => join(&mut mutant.replacement, rest),
            _ => return Err(problem()),
        }
    }
    match mutants.iter().find(|mutant| !mutant.is_whole()) {
        Some(mutant) => Err(format!("tests/mutants/table.txt: {} is not whole", mutant.name)),
        None => Ok(mutants),
    }
}

fn join(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}
