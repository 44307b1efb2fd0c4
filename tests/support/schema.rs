//! Makes JSON schemas, and says whether a value fits one, by plain rules.

use super::random::Random;
use serde_json::{Map, Value, json};

/// Is the expression of schemas with a `pattern`.
const PATTERN: &str = "^[A-Z]{2}-[0-9]{1,3}$";

/// Lists the formats of schemas.
const FORMATS: [&str; 3] = ["date", "uuid", "ipv4"];

/// Makes a schema of at most this depth whose values are short.
pub fn random_schema(random: &mut Random, depth: usize) -> Value {
    let mut schema = one(random, depth);
    if depth > 1 && random.below(3) == 0 {
        let inner = one(random, depth - 1);
        let list = json!({"type": "array", "items": {"$ref": "#/$defs/d"}, "maxItems": 2});
        schema = json!({
            "type": "object", "properties": {"first": schema, "list": list},
            "required": ["first", "list"], "additionalProperties": false, "$defs": {"d": inner},
        });
    }
    schema
}

fn one(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 9 } else { 12 };
    match random.below(kinds) {
        0 => json!({"type": "boolean"}),
        1 => json!({"type": ["null", "integer"], "minimum": -5, "maximum": 1000}),
        2 => json!({"type": "number", "minimum": 0, "exclusiveMaximum": 2}),
        3 => json!({"enum": ["red", "green", "\u{fc}\"\\", 7, null, true]}),
        4 => {
            let min = random.below(4);
            json!({"type": "string", "minLength": min, "maxLength": min + random.below(6)})
        }
        5 => json!({"const": {"a": [1, "x"]}}),
        6 => json!({"type": "integer", "minimum": random.below(50), "maximum": 60}),
        7 => json!({"type": "string", "pattern": PATTERN}),
        8 => json!({"type": "string", "format": FORMATS[random.below(FORMATS.len())]}),
        9 => {
            let (min, items) = (random.below(3), one(random, depth - 1));
            json!({"type": "array", "items": items, "minItems": min, "maxItems": min + 1})
        }
        10 => json!({"anyOf": [one(random, depth - 1), one(random, depth - 1)]}),
        _ => {
            let names = ["a", "name", "items", "\u{e9}t\u{e9}", "with space"];
            let count = 1 + random.below(names.len());
            let mut properties = Map::new();
            for name in &names[..count] {
                properties.insert((*name).to_owned(), one(random, depth - 1));
            }
            let required = &names[..random.below(count + 1)];
            json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            })
        }
    }
}

/// Returns whether `value` fits `schema`, whose definitions are in `root`.
pub fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return schema == &Value::Bool(true);
    };
    schema.iter().all(|(keyword, limit)| {
        let number = |compare: fn(f64, f64) -> bool| {
            value
                .as_f64()
                .is_none_or(|number| compare(number, limit.as_f64().unwrap()))
        };
        let length = |compare: fn(u64, u64) -> bool, len: Option<usize>| {
            len.is_none_or(|len| compare(len as u64, limit.as_u64().unwrap()))
        };
        let chars = value.as_str().map(|text| text.chars().count());
        let items = value.as_array().map(Vec::len);
        match keyword.as_str() {
            "$defs" => true,
            "$ref" => fits(value, &root["$defs"]["d"], root),
            "const" => value == limit,
            "enum" => limit.as_array().unwrap().contains(value),
            "anyOf" => (limit.as_array().unwrap().iter()).any(|it| fits(value, it, root)),
            "minimum" => number(|a, b| a >= b),
            "maximum" => number(|a, b| a <= b),
            "exclusiveMaximum" => number(|a, b| a < b),
            "minLength" => length(|a, b| a >= b, chars),
            "maxLength" => length(|a, b| a <= b, chars),
            "pattern" => value.as_str().is_none_or(has_pattern),
            "format" => {
                (value.as_str()).is_none_or(|text| has_format(text, limit.as_str().unwrap()))
            }
            "minItems" => length(|a, b| a >= b, items),
            "maxItems" => length(|a, b| a <= b, items),
            "items" => (value.as_array().into_iter().flatten()).all(|it| fits(it, limit, root)),
            "properties" => (value.as_object().into_iter().flatten())
                .all(|(name, it)| limit.get(name).is_none_or(|limit| fits(it, limit, root))),
            "required" => value.as_object().is_none_or(|fields| {
                let names = limit.as_array().unwrap().iter();
                names
                    .map(|name| name.as_str().unwrap())
                    .all(|name| fields.contains_key(name))
            }),
            "additionalProperties" => value.as_object().is_none_or(|fields| {
                fields
                    .keys()
                    .all(|name| schema["properties"].get(name).is_some())
            }),
            "type" => match limit {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            other => panic!("the keyword {other} is not made here"),
        }
    })
}

/// Returns whether a text fits [`PATTERN`].
fn has_pattern(text: &str) -> bool {
    text.split_once('-').is_some_and(|(letters, digits)| {
        letters.len() == 2
            && letters.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=3).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Returns whether a text is of a format of [`FORMATS`].
fn has_format(text: &str, format: &str) -> bool {
    let separator = if format == "ipv4" { '.' } else { '-' };
    let parts: Vec<&str> = text.split(separator).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let numbers: Vec<u32> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    match format {
        "date" => {
            let days = |month| match month {
                2 => 29,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            lengths == [4, 2, 2]
                && matches!(numbers[..], [_, month @ 1..=12, day] if day >= 1 && day <= days(month))
        }
        "uuid" => {
            let is_hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
            lengths == [8, 4, 4, 4, 12] && text.bytes().all(is_hex)
        }
        _ => {
            let is_short = |part: &&str| *part == "0" || !part.starts_with('0');
            matches!(numbers[..], [0..=255, 0..=255, 0..=255, 0..=255])
                && parts.iter().all(is_short)
        }
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
