//! Rust source reduced to its code: comments and literals blanked, test modules left out.
//!
//! A small scanner, not a parser: it knows just enough of the language never to take a comment for code.

/// `text` with comments and the insides of string and character literals replaced by spaces; line breaks stay.
pub fn code(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = blank_from(&characters, at);
        if end > at {
            out.extend(characters[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(characters[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends, or `at` when none begins there.
fn blank_from(text: &[char], at: usize) -> usize {
    let next = text.get(at + 1).copied();
    match text[at] {
        '/' if next == Some('/') => {
            text[at..].iter().position(|&c| c == '\n').map_or(text.len(), |length| at + length)
        }
        '/' if next == Some('*') => block_comment_end(text, at),
        '"' => string_end(text, at + 1),
        'r' if !follows_a_word(text, at) => raw_string_end(text, at).unwrap_or(at),
        '\'' => character_end(text, at).unwrap_or(at),
        _ => at,
    }
}

fn follows_a_word(text: &[char], at: usize) -> bool {
    // `br"..."` is a raw byte string; any other letter before makes `r` part of a word.
    at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_') && text[at - 1] != 'b'
}

fn block_comment_end(text: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

fn string_end(text: &[char], mut at: usize) -> usize {
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn raw_string_end(text: &[char], start: usize) -> Option<usize> {
    let hashes = text[start + 1..].iter().take_while(|&&c| c == '#').count();
    let mut at = start + 1 + hashes;
    if text.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < text.len() {
        let closing = text[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count();
        if text[at] == '"' && closing == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(text.len())
}

/// The end of a character literal; `None` for a lifetime.
fn character_end(text: &[char], start: usize) -> Option<usize> {
    if text.get(start + 1) == Some(&'\\') {
        let closing = text[start + 3..].iter().position(|&c| c == '\'')?;
        return Some(start + 3 + closing + 1);
    }
    (text.get(start + 2) == Some(&'\'')).then_some(start + 3)
}

/// `code` (as [`code`] returns it) with the items that `#[cfg(test)]` guards left out; line breaks stay.
pub fn without_tests(code: &str) -> String {
    const GUARD: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(GUARD) {
        let end = start + GUARD.len() + guarded_length(&rest[start + GUARD.len()..]);
        out.push_str(&rest[..start]);
        out.extend(rest[start..end].chars().filter(|&c| c == '\n'));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The length of the item after a guard: to its closing brace, or to the semicolon of an item without a body.
fn guarded_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        code(text).split_whitespace().map(String::from).collect()
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(words("a r#\"b \" c\"# d br\"e\" f"), ["a", "d", "b", "f"]);
        assert_eq!(words(r"a '\'' b '{' c"), ["a", "b", "c"]);
    }

    #[test]
    fn lifetimes_and_raw_identifiers_stay() {
        assert_eq!(words("fn f<'a>(x: &'a str)"), ["fn", "f<'a>(x:", "&'a", "str)"]);
        assert_eq!(words("r#type var\n\"x\" y"), ["r#type", "var", "y"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = "a\n/* b\nc */\n\"d\ne\"\nf";
        assert_eq!(code(text).lines().count(), text.lines().count());
    }

    #[test]
    fn guarded_items_are_left_out() {
        let code = "a\n#[cfg(test)]\nmod tests { fn b() { c } }\nd #[cfg(test)] use e; f";
        assert_eq!(without_tests(code).lines().count(), code.lines().count());
        assert_eq!(without_tests(code).split_whitespace().collect::<Vec<_>>(), ["a", "d", "f"]);
    }
}
