//! Texts about the results of tools, where a provider requires or refuses something.

use crate::chat::text::Text;

/// The content of a result that the conversation lacks.
pub(super) const MISSING_RESULT: &str = "This call has no result.";

/// The name in the report for images, files and audio that follow a result in a message of the user.
pub(super) const MOVED_MEDIA: &str = "messages.media";

/// Returns the text in front of images, files and audio that follow the result of a function.
pub(super) fn media_label(function: &Text<'_>) -> Text<'static> {
    Text::new("Returned by ").join("", function).join("", &Text::new(":"))
}
