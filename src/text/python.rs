//! What chat templates expect of the Python that they were written for: JSON and dates, spelled its way.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// Nested deeper than this is no message but an attack on the stack.
const MAX_DEPTH: usize = 128;

/// The filter `tojson` as Hugging Face defines it for chat templates: `json.dumps` with its separators, letters of all scripts as they
/// are, and nothing escaped for HTML. Takes `indent`, `ensure_ascii`, `separators` and `sort_keys`.
pub fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item_separator, key_separator) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson: separators are two strings")),
        // Where each item has its own line, the separator ends with the line.
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let mut json = Json {
        text: String::new(),
        indent,
        item_separator,
        key_separator,
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    json.value(value, 0)?;
    Ok(json.text)
}

struct Json {
    text: String,
    indent: Option<usize>,
    item_separator: String,
    key_separator: String,
    ensure_ascii: bool,
    sort_keys: bool,
}

impl Json {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::BadSerialization, "tojson: the value is nested too deeply"));
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => self.text.push_str(&value.to_string()),
            ValueKind::Number => self.text.push_str(&float(f64::try_from(value.clone())?)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.items(['[', ']'], value.try_iter()?, depth, |json, item| json.value(&item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.items(['{', '}'], keys.into_iter(), depth, |json, key| {
                    json.string(&key.to_string());
                    let separator = json.key_separator.clone();
                    json.text.push_str(&separator);
                    json.value(&value.get_item(&key)?, depth + 1)
                })?;
            }
            kind => return Err(Error::new(ErrorKind::BadSerialization, format!("tojson: a value of type {kind} has no JSON"))),
        }
        Ok(())
    }

    fn items(
        &mut self,
        [open, close]: [char; 2],
        items: impl Iterator<Item = Value>,
        depth: usize,
        mut write: impl FnMut(&mut Json, Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.text.push(open);
        let mut is_empty = true;
        for item in items {
            if !is_empty {
                let separator = self.item_separator.clone();
                self.text.push_str(&separator);
            }
            is_empty = false;
            self.line(depth + 1);
            write(self, item)?;
        }
        if !is_empty {
            self.line(depth);
        }
        self.text.push(close);
        Ok(())
    }

    /// Begins a new line where items have lines of their own.
    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                _ if c < ' ' || (self.ensure_ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a String cannot fail.
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
                _ => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

/// `repr` of a float: the shortest digits that read back the same, as Rust has them, with Python's exponent (`1e+16`, `1e-05`).
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `strftime` in English, of a time in seconds since 1970 on the user's clock. Knows `%a %A %b %B %d %F %H %I %j %m %M %p %S %T %y %Y %%`,
/// with `-` to leave out leading zeros (`%-d`); others stay as they are.
pub fn strftime(format: &str, seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day, day_of_year) = date(days);
    let month_name = MONTHS.get(month - 1).copied().unwrap_or_default();
    let weekday = WEEKDAYS.get((days + 4).rem_euclid(7) as usize).copied().unwrap_or_default();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);

    let mut text = String::new();
    let mut rest = format;
    while let Some((before, directive)) = rest.split_once('%') {
        text.push_str(before);
        let (is_short, letter) = match directive.strip_prefix('-') {
            Some(after) => (true, after),
            None => (false, directive),
        };
        let value = match letter.chars().next() {
            Some('a') => weekday.get(..3).unwrap_or_default().to_owned(),
            Some('A') => weekday.to_owned(),
            Some('b') => month_name.get(..3).unwrap_or_default().to_owned(),
            Some('B') => month_name.to_owned(),
            Some('d') => format!("{day:02}"),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('j') => format!("{day_of_year:03}"),
            Some('m') => format!("{month:02}"),
            Some('M') => format!("{minute:02}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('S') => format!("{second:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('y') => format!("{:02}", year.rem_euclid(100)),
            Some('Y') => year.to_string(),
            Some('%') => "%".to_owned(),
            _ => {
                text.push('%');
                rest = directive;
                continue;
            }
        };
        text.push_str(if is_short && value.len() > 1 { value.trim_start_matches('0') } else { &value });
        // All the letters above are ASCII.
        rest = &letter[1..];
    }
    text + rest
}

/// Year, month (from 1), day of the month (from 1) and day of the year (from 1), in the Gregorian calendar, of a day counted from 1970.
fn date(mut day: i64) -> (i64, usize, i64, i64) {
    /// After so many days the calendar repeats itself.
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970 + 400 * day.div_euclid(DAYS_OF_400_YEARS);
    day = day.rem_euclid(DAYS_OF_400_YEARS);
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let day_of_year = day + 1;
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    (year, month, day + 1, day_of_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_spelled_as_python_does() {
        let format = "%a %A %b %B %d %-d %F %H %-I %I %j %m %M %p %S %T %y %Y %% %q %";
        let at = |seconds| strftime(format, seconds);
        assert_eq!(at(0), "Thu Thursday Jan January 01 1 1970-01-01 00 12 12 001 01 00 AM 00 00:00:00 70 1970 % %q %");
        assert_eq!(at(951_827_696), "Tue Tuesday Feb February 29 29 2000-02-29 12 12 12 060 02 34 PM 56 12:34:56 00 2000 % %q %");
        assert_eq!(at(-1), "Wed Wednesday Dec December 31 31 1969-12-31 23 11 11 365 12 59 PM 59 23:59:59 69 1969 % %q %");
    }

    #[test]
    fn floats_are_spelled_as_python_does() {
        let expected = [(1.0, "1.0"), (0.1, "0.1"), (1e16, "1e+16"), (1.5e-5, "1.5e-05"), (1e-4, "0.0001"), (-1e300, "-1e+300")];
        for (value, text) in expected {
            assert_eq!(float(value), text);
        }
    }
}
