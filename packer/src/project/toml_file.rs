//! TOML with the line of each key and value. The only file that uses `toml`.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value, and the line that it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) line: usize,
    pub(super) what: What,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Text(String),
    Flag(bool),
    Integer(String),
    List(Vec<Value>),
    Table(Vec<Row>),
    /// A number with a point, or a date.
    Other,
}

/// A key and its value, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

impl Value {
    /// In words.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Text(_) => "a string",
            What::Flag(_) => "true or false",
            What::Integer(_) => "a number",
            What::List(_) => "a list",
            What::Table(_) => "a table",
            What::Other => "a number or a date",
        }
    }

    /// The value of `key` in a table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let What::Table(rows) = &self.what else { return None };
        rows.iter().find(|row| row.key == key).map(|row| &row.value)
    }

    /// The text of `key` in a table.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.what {
            What::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads `text` as the rows of a table; the error says what is wrong and in which line.
pub(super) fn read(text: &str) -> Result<Value, (usize, String)> {
    match DeTable::parse(text) {
        Ok(table) => Ok(Value { line: 1, what: What::Table(rows(text, table.get_ref())) }),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            Err((line(text, at), error.message().to_owned()))
        }
    }
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn rows(text: &str, table: &DeTable<'_>) -> Vec<Row> {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by_key(|(key, _)| key.span().start);
    let row = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        Row { key: name.to_string(), line: line(text, key.span().start), value: of(text, value) }
    };
    all.into_iter().map(row).collect()
}

fn of(text: &str, value: &Spanned<DeValue<'_>>) -> Value {
    let list = |array: &DeArray<'_>| array.iter().map(|value| of(text, value)).collect();
    let what = match value.get_ref() {
        DeValue::String(text) => What::Text(text.to_string()),
        DeValue::Boolean(flag) => What::Flag(*flag),
        DeValue::Integer(number) => What::Integer(number.to_string()),
        DeValue::Array(array) => What::List(list(array)),
        DeValue::Table(table) => What::Table(rows(text, table)),
        DeValue::Float(_) | DeValue::Datetime(_) => What::Other,
    };
    Value { line: line(text, value.span().start), what }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
