//! What answers the checks of real servers: pages with a digest, name servers and greetings of mail servers.

use vipd::config::Method;
use vipd::probe::http::{Reader, Verdict, Wanted};
use vipd::probe::md5::Md5;
use vipd::probe::{dns, smtp};

use super::choices::Choices;

/// A kind, what was asked, and what comes back.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.below(3) {
        // Another build asks for no digest.
        0 if Method::Smtp.is_built() => page(&mut choices),
        1 => name(&mut choices),
        _ => greeting(&mut choices),
    }
}

/// A page is good if it has the digest, and the text, of what stands behind its header; whatever its digest is, it is
/// another one if a byte of it is.
fn page(choices: &mut Choices<'_>) {
    let text = choices.some();
    let text = &text[..text.len().min(127)];
    let piece = 1 + choices.below(64);
    let reply = choices.take(usize::MAX);
    let body = body_of(reply);
    let digest = {
        let mut md5 = Md5::new();
        body.unwrap_or(&[]).iter().for_each(|byte| md5.take(*byte));
        md5.digest()
    };
    let mut other = digest;
    other[piece % 16] ^= 1;
    for (digest, is_right) in [(digest, true), (other, false)] {
        let wanted = Wanted { status: [0, 999], text, digest: Some(digest) };
        let mut reader = Reader::new();
        let decided =
            reply.chunks(piece).map(|piece| reader.take(piece, &wanted)).find(|it| *it != Verdict::Undecided);
        let Some(body) = body else {
            assert!(matches!(decided, None | Some(Verdict::Garbage)), "{decided:?}");
            assert!(decided.is_some() || reader.end(&wanted) == Verdict::Undecided);
            continue;
        };
        assert_eq!(decided, None);
        let has_text = text.is_empty() || body.windows(text.len()).any(|window| window == text);
        let expected = match (is_right, has_text) {
            (false, _) => Verdict::Digest,
            (true, true) => Verdict::Good,
            (true, false) => Verdict::Undecided,
        };
        assert_eq!(reader.end(&wanted), expected, "{:?}", String::from_utf8_lossy(reply));
    }
}

/// What stands behind the header of a reply, if it has a whole one.
fn body_of(reply: &[u8]) -> Option<&[u8]> {
    const SHAPE: &[u8] = b"HTTP/0.0 000";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    let behind = reply.get(SHAPE.len())?;
    if !reply.iter().zip(SHAPE).all(fits) || !b" \r\n".contains(behind) {
        return None;
    }
    let mut rest = reply;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        if line[..end].iter().all(|byte| *byte == b'\r') {
            return Some(rest);
        }
    }
}

/// The question is read back, and is no answer; an answer is what has its number and is none.
fn name(choices: &mut Choices<'_>) {
    let (id, kind) = (choices.number(), choices.number());
    let name = choices.some();
    let mut buffer = [0xa5; dns::QUESTION_BYTES_MAX];
    if dns::is_name(name) {
        let len = dns::question(id, kind, name, &mut buffer).unwrap();
        let [a, b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, labels @ ..] = &buffer[..len] else { panic!() };
        assert_eq!(u16::from_be_bytes([*a, *b]), id);
        let (mut read, mut rest) = (Vec::new(), labels);
        while let Some((len, behind)) = rest.split_first().filter(|(len, _)| **len > 0) {
            let (label, behind) = behind.split_at(usize::from(*len));
            read.extend_from_slice(label);
            read.push(b'.');
            rest = behind;
        }
        assert_eq!(rest, [0, kind.to_be_bytes()[0], kind.to_be_bytes()[1], 0, 1]);
        let dotless = |name: &[u8]| name.strip_suffix(b".").unwrap_or(name).to_vec();
        assert_eq!(dotless(&read), dotless(name));
        assert_eq!(dns::answer(id, &buffer[..len]), None);
    }
    let datagram = choices.take(usize::MAX);
    let expected = (datagram.len() >= 12
        && datagram[..2] == id.to_be_bytes()
        && u16::from_be_bytes([datagram[2], datagram[3]]) >> 15 == 1)
        .then(|| datagram[3] % 16);
    assert_eq!(dns::answer(id, datagram), expected, "{datagram:02x?}");
}

/// Beside a reader that has all lines at once.
fn greeting(choices: &mut Choices<'_>) {
    let piece = 1 + choices.below(16);
    let greeting = choices.take(usize::from(smtp::GREETING_BYTES_MAX) - 1);
    let mut reader = smtp::Reader::new();
    let verdict = greeting
        .chunks(piece)
        .map(|piece| reader.take(piece))
        .find(|verdict| *verdict != smtp::Verdict::Undecided)
        .unwrap_or(smtp::Verdict::Undecided);
    assert_eq!(verdict, expected(greeting), "{:?}", String::from_utf8_lossy(greeting));
}

fn expected(greeting: &[u8]) -> smtp::Verdict {
    for line in greeting.split_inclusive(|byte| *byte == b'\n') {
        let digits = line.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let Some(behind) = line.get(digits) else { return smtp::Verdict::Undecided };
        if digits < 3 || !b" -\r\n".contains(behind) {
            return smtp::Verdict::Garbage;
        }
        let status = core::str::from_utf8(&line[..3]).unwrap().parse().unwrap();
        if status != 220 {
            return smtp::Verdict::Status(status);
        }
        if !line.ends_with(b"\n") {
            return smtp::Verdict::Undecided;
        }
        if *behind != b'-' {
            return smtp::Verdict::Good;
        }
    }
    smtp::Verdict::Undecided
}
