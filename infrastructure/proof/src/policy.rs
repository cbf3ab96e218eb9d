//! Policies of IAM as lists: who may do what to which.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a statement allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub action: String,
    pub resource: String,
}

/// What a policy allows. What it denies, or says in a form that none of ours has, is a fault.
pub fn rights(policy: &str) -> Result<BTreeSet<Right>, String> {
    let policy: Value = serde_json::from_str(policy).map_err(|error| format!("this is no policy: {error}"))?;
    let statements = policy["Statement"].as_array().ok_or("a policy without a list of statements")?;
    let mut rights = BTreeSet::new();
    for statement in statements {
        if statement["Effect"] != "Allow" {
            return Err(format!("a statement that does not allow: {statement}"));
        }
        for action in texts(statement, "Action")? {
            for resource in texts(statement, "Resource")? {
                rights.insert(Right { action: action.clone(), resource });
            }
        }
    }
    Ok(rights)
}

/// A text, or a list of them.
fn texts(statement: &Value, key: &str) -> Result<Vec<String>, String> {
    let fault = || format!("`{key}` is neither a text nor a list of texts: {statement}");
    match &statement[key] {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(all) => all.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(fault)).collect(),
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_meets_each_resource() {
        let policy = r#"{"Statement": [{"Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": ["r", "s"]},
                                       {"Effect": "Allow", "Action": "a:B", "Resource": "r"}]}"#;
        assert_eq!(rights(policy).expect("rights").len(), 4);
    }

    #[test]
    fn what_is_not_understood_is_a_fault() {
        for policy in [
            r#"{"Statement": {"Effect": "Allow"}}"#,
            r#"{"Statement": [{"Effect": "Deny", "Action": "a", "Resource": "b"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "NotAction": "a", "Resource": "b"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Action": [1], "Resource": "b"}]}"#,
        ] {
            assert!(rights(policy).is_err(), "{policy}");
        }
    }
}
