//! Dates are written as Python's `strftime` does.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Writes a time, in seconds since 1970 on the user's clock, in English.
///
/// The function knows `%a %A %b %B %d %F %H %I %j %m %M %p %S %T %y %Y %%`, with `-` to leave out
/// leading zeros (`%-d`); other directives stay as they are.
pub(super) fn strftime(format: &str, seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day, day_of_year) = date(days);
    let month_name = MONTHS.get(month - 1).copied().unwrap_or_default();
    let weekday = WEEKDAYS
        .get((days + 4).rem_euclid(7) as usize)
        .copied()
        .unwrap_or_default();
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
        text.push_str(if is_short && value.len() > 1 {
            value.trim_start_matches('0')
        } else {
            &value
        });
        // Every known letter is ASCII: one byte.
        rest = &letter[1..];
    }
    text + rest
}

/// Returns year, month, day of the month and day of the year (each of the three from 1) in the
/// Gregorian calendar, of a day counted from 1970.
fn date(mut day: i64) -> (i64, usize, i64, i64) {
    /// The Gregorian calendar repeats itself after 400 years.
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
        assert_eq!(
            at(0),
            "Thu Thursday Jan January 01 1 1970-01-01 00 12 12 001 01 00 AM 00 00:00:00 70 1970 \
             % %q %"
        );
        assert_eq!(
            at(951_827_696),
            "Tue Tuesday Feb February 29 29 2000-02-29 12 12 12 060 02 34 PM 56 12:34:56 00 2000 \
             % %q %"
        );
        assert_eq!(
            at(-1),
            "Wed Wednesday Dec December 31 31 1969-12-31 23 11 11 365 12 59 PM 59 23:59:59 69 1969 \
             % %q %"
        );
    }
}
