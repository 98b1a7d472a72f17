//! Results as tables for people, and as charts that a page can show: bars in SVG, drawn in the page's own
//! colour.

use std::fmt::Write as _;

use super::peers::Took;

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// What it is compared within: a level, a setting; empty for the usual one.
    pub(super) group: String,
    /// Seconds, and seconds of the processor in user mode.
    pub(super) seconds: f64,
    pub(super) user: f64,
    pub(super) bytes: Option<u64>,
}

impl Row {
    pub(super) fn of_times(name: String, group: &str, took: Took) -> Self {
        let group = group.to_owned();
        Self { name, group, seconds: took.wall.as_secs_f64(), user: took.user.as_secs_f64(), bytes: None }
    }

    /// What it is called in tables and charts.
    fn shown(&self) -> String {
        if self.group.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.group) }
    }

    /// Bytes in millions.
    fn megabytes(&self) -> Option<f64> {
        // Exact enough for a table.
        #[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
        self.bytes.map(|bytes| bytes as f64 / 1e6)
    }
}

/// What a chart shows of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Seconds,
    Size,
}

impl Shown {
    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Seconds => row.seconds,
            Self::Size => row.megabytes().unwrap_or_default(),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Size => "MB",
        }
    }
}

/// A Markdown table; ratios are to the row of the same group whose name begins with `against`.
pub(super) fn table(title: &str, rows: &[Row], shown: Shown, against: &str) -> String {
    let base = |group: &str| {
        let same = rows.iter().find(|row| row.group == group && row.name.starts_with(against));
        same.map(|row| shown.of(row)).filter(|base| *base > 0.0)
    };
    let mut text =
        format!("| {title} | wall, s | user, s | size, MB | to {against} |\n|---|---|---|---|---|\n");
    for row in rows {
        let size = row.megabytes().map_or_else(|| "-".to_owned(), |size| format!("{size:.1}"));
        let ratio = base(&row.group).map(|base| format!("{:.2}", shown.of(row) / base));
        let (name, seconds, user) = (row.shown(), row.seconds, row.user);
        let ratio = ratio.unwrap_or_else(|| "-".to_owned());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {seconds:.2} | {user:.2} | {size} | {ratio} |");
    }
    text
}

/// A bar for each row.
pub(super) fn svg(title: &str, rows: &[Row], shown: Shown) -> String {
    const LINE: usize = 26;
    const BARS: f64 = 360.0;
    let most = rows.iter().map(|row| shown.of(row)).fold(f64::MIN_POSITIVE, f64::max);
    let height = LINE * (rows.len() + 1) + 10;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"660\" height=\"{height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#777\">\n<title>{0}</title>\n\
         <text x=\"0\" y=\"18\" font-weight=\"bold\">{0}</text>\n",
        escaped(title)
    );
    for (number, row) in rows.iter().enumerate() {
        let (value, y) = (shown.of(row), LINE * (number + 1) + 6);
        let (width, colour) =
            (value / most * BARS, if row.name.starts_with("unibin") { "#3a7" } else { "#9ab" });
        let (name, unit) = (escaped(&row.shown()), shown.unit());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<text x=\"0\" y=\"{}\">{name}</text>\
             <rect x=\"200\" y=\"{y}\" width=\"{width:.0}\" height=\"18\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{}\">{value:.2} {unit}</text>",
            y + 14,
            206.0 + width,
            y + 14
        );
    }
    text + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_to_the_named_row_of_the_same_group_and_a_chart_has_a_bar_for_each_row() {
        let row = |name: &str, group: &str, seconds| Row {
            name: name.into(),
            group: group.into(),
            seconds,
            user: 0.5,
            bytes: Some(2_500_000),
        };
        let rows = [
            row("unibin", "", 1.0),
            row("tar <x>", "", 2.0),
            row("unibin", "on one CPU", 3.0),
            row("tar <x>", "on one CPU", 4.0),
            row("unibin", "alone", 5.0),
        ];
        let table = table("a", &rows, Shown::Seconds, "tar");
        assert!(table.contains("| unibin | 1.00 | 0.50 | 2.5 | 0.50 |"), "{table}");
        assert!(table.contains("| tar <x> | 2.00 | 0.50 | 2.5 | 1.00 |"), "{table}");
        assert!(table.contains("| unibin, on one CPU | 3.00 | 0.50 | 2.5 | 0.75 |"), "{table}");
        assert!(table.contains("| unibin, alone | 5.00 | 0.50 | 2.5 | - |"), "{table}");
        let chart = svg("a & b", &rows, Shown::Size);
        assert_eq!(chart.matches("<rect").count(), 5);
        assert!(chart.contains("a &amp; b") && chart.contains("tar &lt;x&gt;"), "{chart}");
    }
}
