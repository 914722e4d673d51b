//! Names of files with wildcards in them, as glob(7) has them.

/// Whether a name without slashes is one that the pattern stands for: `*` for anything, `?` for any byte, `[a-z]` and
/// `[!a-z]` for one of a set; a name that begins with a dot only where the pattern does.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // Where to go on when the last `*` has to stand for one byte more.
    let mut again: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut name) = (pattern, name);
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            again = Some((rest, name));
            pattern = rest;
            continue;
        }
        match (step(pattern, name), name.split_first()) {
            (Some(rest), Some((_, behind))) => (pattern, name) = (rest, behind),
            (_, None) if pattern.is_empty() => return true,
            (_, _) => {
                let Some((behind_star, from)) = again else { return false };
                let Some((_, from)) = from.split_first() else { return false };
                again = Some((behind_star, from));
                (pattern, name) = (behind_star, from);
            }
        }
    }
}

/// Whether a text has a wildcard in it.
#[must_use]
pub fn has_wildcard(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// What is left of the pattern when its first element stands for the name's first byte.
fn step<'p>(pattern: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    let byte = *name.first()?;
    match pattern.split_first()? {
        (b'?', rest) => Some(rest),
        (b'[', rest) => set(rest, byte),
        (b'\\', rest) if !rest.is_empty() => step(rest, name),
        (literal, rest) => (*literal == byte).then_some(rest),
    }
}

/// The same for a set, whose `[` is behind us.
fn set(rest: &[u8], byte: u8) -> Option<&[u8]> {
    let (is_negated, mut rest) = match rest.split_first() {
        Some((b'!' | b'^', behind)) => (true, behind),
        Some(_) | None => (false, rest),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        match rest {
            [b']', behind @ ..] if !is_first => return (is_in != is_negated).then_some(behind),
            [from, b'-', to, behind @ ..] if *to != b']' => {
                is_in |= (*from..=*to).contains(&byte);
                rest = behind;
            }
            [one, behind @ ..] => {
                is_in |= *one == byte;
                rest = behind;
            }
            [] => return None,
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_those_of_glob() {
        let cases = [
            ("*", "a.conf", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("*.conf", ".a.conf", false),
            (".*", ".a", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("v?p", "vip", true),
            ("[0-9]*", "10-vrrp", true),
            ("[!0-9]*", "10-vrrp", false),
            ("[]a]", "]", true),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("***", "", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
