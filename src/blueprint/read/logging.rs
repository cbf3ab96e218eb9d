//! `execution.logging` → [`Logging`].

use super::field::Fields;
use crate::blueprint::model::{LOG_DESTINATIONS, LOG_FORMATS, LOG_LEVELS, Logging};
use crate::document::Node;

/// Reads a block whose shape was checked.
pub(super) fn read<'s>(node: &Node<'s>) -> Logging<'s> {
    Logging {
        format: node.choice("format", LOG_FORMATS),
        level: node.choice("level", LOG_LEVELS),
        destination: node.choice("destination", LOG_DESTINATIONS),
        file_path: node.filled("file_path"),
        timestamps: node.flag("include_timestamps"),
        task_context: node.flag("include_task_context"),
    }
}
