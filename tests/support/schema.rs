//! Makes JSON schemas, and says whether a value fits one, by plain rules.

use super::random::Random;
use serde_json::{Map, Value, json};

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
    let kinds = if depth == 0 { 7 } else { 10 };
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
        7 => {
            let (min, items) = (random.below(3), one(random, depth - 1));
            json!({"type": "array", "items": items, "minItems": min, "maxItems": min + 1})
        }
        8 => json!({"anyOf": [one(random, depth - 1), one(random, depth - 1)]}),
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
