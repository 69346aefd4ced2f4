//! Documents as tokens, which are damaged one by one.

use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    Open,
    Close,
    Key,
    Text,
    Number,
    Literal,
    Comma,
    Colon,
    Blank,
}

pub struct Token {
    pub kind: TokenKind,
    pub text: String,
    /// The value of a string, without quotes and escapes.
    pub raw: String,
    /// Whether the token is the value of a key.
    pub in_object: bool,
}

impl Token {
    fn new(kind: TokenKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), raw: String::new(), in_object: false }
    }

    pub fn blank(text: &str) -> Self {
        Self::new(TokenKind::Blank, text)
    }
}

/// A layout of a document.
#[derive(Clone, Copy)]
struct Layout {
    comma: &'static str,
    colon: &'static str,
    indent: Option<usize>,
}

const LAYOUTS: [Layout; 4] = [
    Layout { comma: "", colon: "", indent: None },
    Layout { comma: " ", colon: " ", indent: None },
    Layout { comma: "", colon: " ", indent: Some(2) },
    Layout { comma: "", colon: " ", indent: Some(4) },
];

/// Returns the tokens of a document in one of four layouts.
pub fn tokens(value: &Value, layout: usize) -> Vec<Token> {
    let mut out = Vec::new();
    write(&mut out, value, LAYOUTS[layout], 0, false);
    out
}

/// Returns a document in one of four layouts.
pub fn text(value: &Value, layout: usize) -> String {
    tokens(value, layout).into_iter().map(|token| token.text).collect()
}

/// Returns a string as it is written between quotes.
pub fn escape(text: &str) -> String {
    let json = Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn write(out: &mut Vec<Token>, value: &Value, layout: Layout, depth: usize, in_object: bool) {
    match value {
        Value::Object(map) => {
            out.push(Token::new(TokenKind::Open, "{"));
            for (index, (key, value)) in map.iter().enumerate() {
                separate(out, index, layout, depth + 1);
                let text = format!("\"{}\"", escape(key));
                out.push(Token { raw: key.clone(), ..Token::new(TokenKind::Key, text) });
                out.push(Token::new(TokenKind::Colon, ":"));
                out.push(Token::blank(layout.colon));
                write(out, value, layout, depth + 1, true);
            }
            close(out, map.is_empty(), "}", layout, depth);
        }
        Value::Array(items) => {
            out.push(Token::new(TokenKind::Open, "["));
            for (index, item) in items.iter().enumerate() {
                separate(out, index, layout, depth + 1);
                write(out, item, layout, depth + 1, false);
            }
            close(out, items.is_empty(), "]", layout, depth);
        }
        Value::String(raw) => {
            let text = format!("\"{}\"", escape(raw));
            out.push(Token { raw: raw.clone(), ..Token::new(TokenKind::Text, text) });
        }
        Value::Number(number) => out.push(Token::new(TokenKind::Number, number.to_string())),
        literal => {
            out.push(Token { in_object, ..Token::new(TokenKind::Literal, literal.to_string()) });
        }
    }
}

fn separate(out: &mut Vec<Token>, index: usize, layout: Layout, depth: usize) {
    if index > 0 {
        out.push(Token::new(TokenKind::Comma, ","));
        out.push(Token::blank(layout.comma));
    }
    line(out, layout, depth);
}

fn close(out: &mut Vec<Token>, empty: bool, bracket: &str, layout: Layout, depth: usize) {
    if !empty {
        line(out, layout, depth);
    }
    out.push(Token::new(TokenKind::Close, bracket));
}

fn line(out: &mut Vec<Token>, layout: Layout, depth: usize) {
    if let Some(indent) = layout.indent {
        out.push(Token::blank(&format!("\n{}", " ".repeat(indent * depth))));
    }
}
