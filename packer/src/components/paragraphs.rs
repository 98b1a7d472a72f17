//! Paragraphs of `Field: value` lines, as in dpkg's database, copyright files and a wheel's METADATA.

/// One paragraph: fields and values, lines of a value separated by line feeds.
pub(crate) struct Paragraph(Vec<(String, String)>);

impl Paragraph {
    /// The value of `field`.
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The paragraphs of `text`. What is no field is passed over.
pub(crate) fn read(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if !fields.is_empty() {
                paragraphs.push(Paragraph(std::mem::take(&mut fields)));
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    paragraphs
}
