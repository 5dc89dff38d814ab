//! Whether a value is as a schema says: of JSON Schema what the types make use of. A keyword that is not known here is an
//! error, so that none is passed over in silence.

use serde_json::Value;

/// `whole` is what `$ref` points into.
pub(crate) fn conforms(value: &Value, schema: &Value, whole: &Value) -> Result<(), String> {
    let keywords = schema.as_object().ok_or("a schema is an object")?;
    for (keyword, says) in keywords {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "propertyNames" | "default" => {}
            "$ref" => {
                let to = says.as_str().and_then(|to| to.strip_prefix('#')).ok_or("a $ref within the document")?;
                conforms(value, whole.pointer(to).ok_or_else(|| format!("no {to}"))?, whole)?;
            }
            "type" => {
                let all = says.as_array().map_or(std::slice::from_ref(says), Vec::as_slice);
                if !all.iter().any(|kind| is_of(value, kind.as_str().unwrap_or_default())) {
                    return Err(format!("expected {says}, found {value}"));
                }
            }
            "enum" => {
                if !says.as_array().is_some_and(|all| all.contains(value)) {
                    return Err(format!("expected one of {says}, found {value}"));
                }
            }
            "required" => {
                for name in says.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    value.get(name).ok_or_else(|| format!("{name} is missing"))?;
                }
            }
            "properties" => {
                for (name, says) in says.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        conforms(value, says, whole).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    conforms(value, says, whole).map_err(|error| format!("{name}: {error}"))?;
                }
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(item, says, whole).map_err(|error| format!("{place}: {error}"))?;
                }
            }
            "minItems" | "maxItems" => {
                let (count, bound) = (value.as_array().map_or(0, Vec::len) as u64, says.as_u64().unwrap_or_default());
                if if keyword == "minItems" { count < bound } else { count > bound } {
                    return Err(format!("{keyword} {bound}, found {count}"));
                }
            }
            "minimum" => {
                if value.as_f64() < says.as_f64() {
                    return Err(format!("minimum {says}, found {value}"));
                }
            }
            "allOf" => says.as_array().into_iter().flatten().try_for_each(|one| conforms(value, one, whole))?,
            "oneOf" => {
                let tries: Vec<_> =
                    says.as_array().into_iter().flatten().map(|one| conforms(value, one, whole)).collect();
                let fits = tries.iter().filter(|tried| tried.is_ok()).count();
                if fits != 1 {
                    let why: Vec<_> = tries.into_iter().filter_map(Result::err).collect();
                    return Err(format!("{fits} of the choices fit, expected 1: {}", why.join("; ")));
                }
            }
            other => return Err(format!("this check does not know {other:?}")),
        }
    }
    Ok(())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
