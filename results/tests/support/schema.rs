//! JSON Schema, draft 7, as much of it as the schemas of our formats use. A keyword that is not known here is a panic, so
//! nothing of a schema goes unchecked.

use regex::Regex;
use serde_json::Value;
use std::collections::HashMap;

pub struct Schema {
    root: Value,
    /// Compiled once.
    patterns: HashMap<String, Regex>,
}

impl Schema {
    pub fn parse(text: &str) -> Schema {
        let mut schema = Schema { root: serde_json::from_str(text).unwrap(), patterns: HashMap::new() };
        compile(&schema.root, &mut schema.patterns);
        schema
    }

    /// The places that do not keep a rule, and the rule.
    pub fn offences(&self, value: &Value) -> Vec<String> {
        let mut offences = Vec::new();
        self.check(&self.root, value, "", &mut offences);
        offences
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, offences: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    self.check(self.root.pointer(pointer).unwrap(), value, place, offences);
                }
                "properties" => {
                    for (name, inner) in rule.as_object().unwrap() {
                        let Some(value) = value.get(name) else { continue };
                        self.check(inner, value, &format!("{place}/{name}"), offences);
                    }
                }
                "items" => {
                    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, value, &format!("{place}/{index}"), offences);
                    }
                }
                _ if self.is_kept(keyword, rule, schema, value) => {}
                _ => offences.push(format!("{place}: {keyword} {rule}")),
            }
        }
    }

    /// Whether a value keeps a rule that is about itself alone. Rules say nothing about values of other types.
    fn is_kept(&self, keyword: &str, rule: &Value, schema: &Value, value: &Value) -> bool {
        let text = |test: &dyn Fn(&str) -> bool| value.as_str().is_none_or(test);
        let number = |test: &dyn Fn(f64) -> bool| value.as_f64().is_none_or(test);
        let limit = || rule.as_f64().unwrap();
        match keyword {
            "$comment" | "$schema" | "$defs" => true,
            "type" => is_of_type(value, rule.as_str().unwrap()),
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => number(&|number| number >= limit()),
            "maximum" => number(&|number| number <= limit()),
            "maxLength" => text(&|text| text.chars().count() as f64 <= limit()),
            "pattern" => text(&|text| self.patterns[rule.as_str().unwrap()].is_match(text)),
            "format" => text(&|text| has_format(text, rule.as_str().unwrap())),
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                value.as_object().is_none_or(|fields| names.clone().all(|name| fields.contains_key(name)))
            }
            "additionalProperties" if *rule == false => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
            }
            _ => panic!("{keyword}: {rule} is not known here"),
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => panic!("type {name} is not known here"),
    }
}

fn has_format(text: &str, name: &str) -> bool {
    match name {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "uri" => text.contains(':') && !text.contains(char::is_whitespace),
        "email" => text.contains('@'),
        _ => panic!("format {name} is not known here"),
    }
}

fn compile(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    if let Some(Value::String(pattern)) = schema.get("pattern") {
        patterns.insert(pattern.clone(), Regex::new(pattern).unwrap());
    }
    let inner: Vec<&Value> = match schema {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().for_each(|one| compile(one, patterns));
}
