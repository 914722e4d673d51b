//! A keepalived.conf: whatever stands in it, what it becomes is a configuration that `check` accepts, and no instance
//! is lost without a word.

use core::fmt::Write;

use vipd::config::Config;
use vipd::config::problem::Severity;
use vipd::config::schema;
use vipd::config::uci::Document;
use vipd::import::{Importer, Library, Missing, Name};

/// Pieces of one input as files, by number: `include 1`.
struct Pieces<'a>(Vec<&'a [u8]>);

impl Library for Pieces<'_> {
    fn open(
        &mut self,
        base: &[u8],
        pattern: &[u8],
        after: &[u8],
        name: &mut Name,
        buffer: &mut [u8],
    ) -> Result<usize, Missing> {
        let number = match (base, pattern) {
            ([], _) => 0,
            // As many as there are, one after the other.
            (_, b"*") => after.first().map_or(0, |digit| usize::from(digit.wrapping_sub(b'0'))) + 1,
            (_, [digit]) if after.is_empty() => usize::from(digit.wrapping_sub(b'0')),
            _ => return Err(Missing::End),
        };
        let piece = self.0.get(number).ok_or(Missing::End)?;
        name.clear();
        name.push(b'0' + number as u8).unwrap();
        buffer.get_mut(..piece.len()).ok_or(Missing::TooLong)?.copy_from_slice(piece);
        Ok(piece.len())
    }
}

/// Files, with zero bytes between them.
pub fn import(bytes: &[u8]) {
    let pieces: Vec<_> = bytes.splitn(4, |byte| *byte == 0).collect();
    let mut importer = Box::new(Importer::new());
    let mut document = Box::new(Document::new());
    let mut config = Box::new(Config::new());
    let (mut losses, mut said) = (0, Vec::new());
    let left = importer.import(
        b"k",
        b"main",
        &mut Pieces(pieces.clone()),
        (&mut document, &mut config),
        &mut |notice| {
            let mut line = String::new();
            write!(line, "{notice}").unwrap();
            assert!(!line.contains(|character: char| character.is_control()), "{line:?}");
            assert!(line.len() > 5, "{line}");
            assert!(!line.contains('%') || bytes.contains(&b'%'), "{line}");
            let file = notice.file.first().map_or(0, |digit| digit - b'0');
            let lines =
                pieces.get(usize::from(file)).map_or(0, |piece| piece.split(|byte| *byte == b'\n').count());
            assert!(notice.file == b"k" || notice.line as usize <= lines, "{}: {line}", notice.line);
            losses += u32::from(notice.is_loss);
            said.push(line);
        },
    );
    assert_eq!(left.unwrap_or(losses), losses);
    assert!(left.is_some() || losses > 0, "a file that is not read is named");
    let text = importer.text().to_vec();
    document.buffer()[..text.len()].copy_from_slice(&text);
    document.parse(text.len()).expect("what is written is UCI");
    let is_usable = schema::read(&document, &[], &mut config, &mut |problem| {
        let show = String::from_utf8_lossy(&text);
        assert_ne!(problem.severity, Severity::Error, "line {}: {problem}\n{show}", problem.line);
    });
    assert!(is_usable);
    let named = said.iter().filter(|line| line.contains("vrrp_instance")).count();
    if left.is_some() && pieces.len() == 1 {
        assert!(config.instances.len() + named >= instances_in(bytes), "{said:#?}");
    }
}

/// The blocks of instances in a text that is nothing but words and braces; 0 if there is more to it.
fn instances_in(text: &[u8]) -> usize {
    if text.iter().any(|byte| b"\"'$~@\\#!\x0b\r".contains(byte))
        || text.windows(7).any(|word| word == b"include")
    {
        return 0;
    }
    let (mut depth, mut count) = (0u32, 0);
    // The first word of the line, or of what stands behind a brace.
    let mut first = None::<Vec<u8>>;
    let mut word = Vec::new();
    for byte in text.iter().chain(b"\n") {
        match byte {
            b'{' | b'}' | b'\n' | b' ' | b'\t' | b'\x0c' if !word.is_empty() => {
                first.get_or_insert(core::mem::take(&mut word));
                word.clear();
            }
            _ => {}
        }
        match byte {
            b'{' => {
                count += usize::from(depth == 0 && first.as_deref() == Some(b"vrrp_instance"));
                depth += 1;
                first = None;
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                first = None;
            }
            b'\n' => first = None,
            b' ' | b'\t' | b'\x0c' => {}
            _ => word.push(*byte),
        }
    }
    count
}
