//! Documents that several tests use.

use serde_json::{json, Value};

/// A rule's or rollout's segment that matches when a property has a value.
pub fn segment(key: &str, property: &str, value: &str) -> Value {
    let constraint = json!({
        "type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": property, "operator": "eq", "value": value
    });
    json!({ "key": key, "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint] })
}

/// A document with a threshold flag `half`, a flag `some` whose segments can match apart, and a flag `split` of two
/// variants.
pub fn document() -> Value {
    json!({
        "namespace": { "key": "default" },
        "flags": [
            {
                "key": "half", "name": "", "enabled": false, "type": "BOOLEAN_FLAG_TYPE",
                "rollouts": [{ "threshold": { "percentage": 50, "value": true } }]
            },
            {
                "key": "some", "name": "", "enabled": false, "type": "BOOLEAN_FLAG_TYPE", "description": "d",
                "rollouts": [{ "segment": {
                    "value": true,
                    "segments": [segment("x", "a", "1"), segment("y", "b", "1"), segment("z", "a", "1")]
                } }]
            },
            {
                "key": "split", "name": "", "enabled": true,
                "rules": [{
                    "segmentOperator": "OR_SEGMENT_OPERATOR",
                    "segments": [segment("x", "a", "1")],
                    "distributions": [
                        { "variantKey": "v1", "variantAttachment": "{}", "rollout": 50 },
                        { "variantKey": "v2", "rollout": 50 }
                    ]
                }],
                "defaultVariant": { "id": "d", "key": "v0" }
            }
        ],
        "digest": "0a1b"
    })
}
