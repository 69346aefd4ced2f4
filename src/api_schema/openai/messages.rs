//! Messages. They are written from scratch, so that no other field of a client's message, which may
//! come from another provider's answer, reaches a server that would refuse it.

use serde_json::value::RawValue;

use super::{
    call_ids::CallIds,
    conversation::{ListedMessage, ResultMedia, listed_messages},
    instruction::add_instruction,
    reasoning_history::without_reasoning,
    tools::takes_custom_tools,
};
use crate::{
    api_schema::{
        data_url::relabelled,
        tool_names::ToolNames,
        tool_results::{MISSING_RESULT, media_label},
        translation::TranslationInput,
    },
    chat::{
        message::{Content, Message, Part, Role, ToolCall},
        parameter::Parameter,
        text::Text,
    },
    config::{Provider, Quirk},
    json::{Object, list},
};

/// The content of a result whose images, files and audio are in the user's message behind it.
const SEE_NEXT_MESSAGE: &str = "The result is in the next message of the user.";

/// Writes all messages.
pub(super) fn write(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>, names: &ToolNames) {
    let provider = input.target.provider;
    let ids = match provider.forward_unknown {
        true => CallIds::default(),
        false => CallIds::new(&input.request.messages),
    };
    let caches = input.target.model.supports(Parameter::CacheControl);
    let takes_custom_tools = takes_custom_tools(&input.target);
    let writer = ConversationWriter { provider, names, ids, caches, takes_custom_tools };
    let mut listed = listed_messages(input);
    add_instruction(&mut listed, input);
    list(out, listed, |out, listed| writer.write(out, &listed));
}

/// Writer of the messages of a conversation.
struct ConversationWriter<'w> {
    provider: &'w Provider,
    names: &'w ToolNames,
    ids: CallIds,
    /// True if the model supports `cache_control`.
    caches: bool,
    /// True if calls of custom tools are sent as such.
    takes_custom_tools: bool,
}

impl ConversationWriter<'_> {
    fn write(&self, out: &mut Vec<u8>, listed: &ListedMessage<'_, '_>) {
        let mut object = match listed {
            ListedMessage::Instructed(message) => {
                return MessageWriter {
                    message,
                    legacy: None,
                    result_of: None,
                    conversation: self,
                }
                .write(out);
            }
            ListedMessage::Request(message, legacy) => {
                let message = &*without_reasoning(message, self.provider);
                let legacy = legacy.as_ref();
                return MessageWriter { message, legacy, result_of: None, conversation: self }
                    .write(out);
            }
            ListedMessage::Result(message, id) => {
                let result_of = Some(self.ids.sent(id));
                return MessageWriter { message, legacy: None, result_of, conversation: self }
                    .write(out);
            }
            _ => Object::open(out),
        };
        match listed {
            ListedMessage::MissingResult(id) => {
                object.value("role", "tool").value("content", MISSING_RESULT);
                object.value("tool_call_id", &self.ids.sent(id));
            }
            ListedMessage::Media(media) => {
                object.value("role", "user");
                self.write_media(object.key("content"), media);
            }
            ListedMessage::Instruction(text) => {
                object.value("role", "system").value("content", text);
            }
            ListedMessage::Closing(message) => {
                object.value("role", "user").value("content", message.text());
            }
            ListedMessage::Instructed(_)
            | ListedMessage::Request(..)
            | ListedMessage::Result(..) => {}
        }
        object.close();
    }

    /// Writes the media of results as parts, those of each result behind the name of its function.
    fn write_media(&self, out: &mut Vec<u8>, media: &[ResultMedia<'_, '_>]) {
        let labels = media.iter().map(|own| media_label(&own.function));
        let items = labels.zip(media).flat_map(|(label, own)| {
            let parts = own.parts.iter().map(|part| MediaItem::Part(part));
            std::iter::once(MediaItem::Label(label)).chain(parts)
        });
        list(out, items, |out, item| match item {
            MediaItem::Label(label) => write_text_part(out, &label, None, None),
            MediaItem::Part(part) => {
                write_other_part(out, part, part.cache_control.filter(|_| self.caches));
            }
        });
    }
}

/// Item of a message with the media of results.
enum MediaItem<'p, 'a> {
    Label(Text<'static>),
    Part(&'p Part<'a>),
}

/// Writer of one message.
struct MessageWriter<'w, 'm> {
    message: &'w Message<'m>,
    /// The `function_call` as a tool call.
    legacy: Option<&'w ToolCall<'m>>,
    /// The id of the call that the message is the result of.
    result_of: Option<Text<'m>>,
    conversation: &'w ConversationWriter<'w>,
}

impl MessageWriter<'_, '_> {
    fn write(&self, out: &mut Vec<u8>) {
        let (message, provider) = (self.message, self.conversation.provider);
        let mut object = Object::open(out);
        object.value("role", role(message.role, provider));
        let prefix = speaker_prefix(message, provider);
        self.content(object.key("content"), prefix);
        // The name of a tool's result is that of the call with its id.
        let has_name = prefix.is_none() && !message.is_result();
        non_empty_name(message).filter(|_| has_name).map(|name| object.value("name", name));
        self.calls(&mut object);
        if let Some(id) = self.result_of.as_ref().or(message.tool_call_id.as_ref()) {
            object.value("tool_call_id", id);
        }
        if let Some(refusal) = &message.refusal {
            object.value("refusal", refusal);
        }
        object.close();
    }

    fn calls(&self, object: &mut Object<'_>) {
        let (message, provider) = (self.message, self.conversation.provider);
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        if provider.has(Quirk::ReasoningDetails) {
            message.reasoning_details.map(|raw| object.raw("reasoning_details", raw.get()));
        }
        if calls.is_empty() && self.legacy.is_none() {
            return;
        }
        list(object.key("tool_calls"), calls.iter().chain(self.legacy), |out, call| {
            self.write_call(out, call);
        });
        if provider.has(Quirk::ReasoningWithToolCalls) {
            let lost = Text::new(" ");
            let thoughts = message.reasoning_content.as_ref().or(message.thinking.as_ref());
            object.value("reasoning_content", thoughts.unwrap_or(&lost));
        }
    }

    fn content(&self, out: &mut Vec<u8>, prefix: Option<&Text<'_>>) {
        match &self.message.content {
            Content::Absent if self.may_lack_content() => out.extend_from_slice(b"null"),
            Content::Absent => out.extend_from_slice(b"\"\""),
            Content::Text(text) => write_text(out, text, prefix),
            Content::Parts(parts) if self.moves_media(parts) => self.write_result_texts(out, parts),
            Content::Parts(parts) => {
                let texts: Option<Vec<&Text<'_>>> = parts.iter().map(Part::as_text).collect();
                match texts.filter(|_| self.conversation.provider.has(Quirk::TextInOneString)) {
                    Some(texts) => write_texts(out, &texts, prefix),
                    None => self.parts(out, parts, prefix),
                }
            }
        }
    }

    /// Returns true if parts of a result go into the user's message behind it.
    fn moves_media(&self, parts: &[Part<'_>]) -> bool {
        let moves = self.message.is_result() && !self.conversation.provider.forward_unknown;
        moves && parts.iter().any(|part| part.as_text().is_none())
    }

    /// Writes the texts of a result without its other parts.
    fn write_result_texts(&self, out: &mut Vec<u8>, parts: &[Part<'_>]) {
        let texts: Vec<&Text<'_>> = parts.iter().filter_map(Part::as_text).collect();
        match texts.as_slice() {
            [] => crate::json::write(out, SEE_NEXT_MESSAGE),
            texts if self.conversation.provider.has(Quirk::TextInOneString) => {
                write_texts(out, texts, None);
            }
            texts => list(out, texts, |out, text| write_text_part(out, text, None, None)),
        }
    }

    fn write_call(&self, out: &mut Vec<u8>, call: &ToolCall<'_>) {
        let ConversationWriter { names, ids, takes_custom_tools, .. } = self.conversation;
        let mut object = Object::open(out);
        object.value("id", &ids.sent(&call.id));
        if let Some(input) = call.custom_input.as_ref().filter(|_| *takes_custom_tools) {
            object.value("type", "custom").object("custom", |custom| {
                custom.value("name", &names.sent(&call.function.name)).value("input", input);
            });
            return object.close();
        }
        object.value("type", "function");
        object.object("function", |function| {
            let none = Text::new("{}");
            let arguments = call.function.arguments.as_ref().filter(|text| !text.is_empty());
            function.value("name", &names.sent(&call.function.name));
            function.value("arguments", arguments.unwrap_or(&none));
        });
        object.close();
    }

    /// Returns true if the content may be null, as beside calls or a refusal.
    fn may_lack_content(&self) -> bool {
        let Message { tool_calls, refusal, .. } = self.message;
        let calls = tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        calls || refusal.is_some() || self.legacy.is_some()
    }

    /// Writes the parts. The speaker's name prefixes the first text, or becomes a part of its own.
    fn parts(&self, out: &mut Vec<u8>, parts: &[Part<'_>], prefix: Option<&Text<'_>>) {
        let first_text = parts.iter().position(|part| plain_text(part).is_some());
        let alone = prefix.filter(|_| first_text.is_none());
        let items = alone.map(ContentItem::Name).into_iter();
        let items = items.chain(parts.iter().enumerate().map(ContentItem::Part as fn(_) -> _));
        list(out, items, |out, item| match item {
            ContentItem::Name(name) => write_text_part(out, &Text::new(""), Some(name), None),
            ContentItem::Part((index, part)) => {
                let mark = part.cache_control.filter(|_| self.conversation.caches);
                match plain_text(part) {
                    Some(text) => {
                        let prefix = prefix.filter(|_| first_text == Some(index));
                        write_text_part(out, text, prefix, mark);
                    }
                    None => write_other_part(out, part, mark),
                }
            }
        });
    }
}

/// Item of an array of parts.
enum ContentItem<'p, 'a> {
    /// The speaker's name, where there is no text.
    Name(&'p Text<'a>),
    Part((usize, &'p Part<'a>)),
}

fn role(role: Role, provider: &Provider) -> &'static str {
    match role {
        Role::Developer if provider.has(Quirk::SystemForDeveloper) => "system",
        Role::Developer => "developer",
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Function => "tool",
    }
}

/// Returns the name of the speaker or of the function, unless it is empty.
pub(in crate::api_schema) fn non_empty_name<'m, 'a>(
    message: &'m Message<'a>,
) -> Option<&'m Text<'a>> {
    message.name.as_ref().filter(|name| !name.is_empty())
}

/// Returns the speaker's name, if it prefixes the content. The `name` of a result is that of its
/// function.
fn speaker_prefix<'m, 'a>(message: &'m Message<'a>, provider: &Provider) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    non_empty_name(message).filter(|_| speaks && provider.has(Quirk::NameInContent))
}

fn write_text(out: &mut Vec<u8>, text: &Text<'_>, prefix: Option<&Text<'_>>) {
    write_texts(out, &[text], prefix);
}

/// Writes several texts as one string.
pub(in crate::api_schema) fn write_texts(
    out: &mut Vec<u8>,
    texts: &[&Text<'_>],
    prefix: Option<&Text<'_>>,
) {
    out.push(b'"');
    if let Some(name) = prefix {
        out.extend_from_slice(name.escaped().as_bytes());
        out.extend_from_slice(b": ");
    }
    for text in texts {
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.push(b'"');
}

/// Returns the text of a text part. Ignores a `text` in a part of another type.
pub(in crate::api_schema) fn plain_text<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Text<'a>> {
    part.text.as_ref().filter(|_| part.kind == "text")
}

fn write_text_part(
    out: &mut Vec<u8>,
    text: &Text<'_>,
    prefix: Option<&Text<'_>>,
    mark: Option<&RawValue>,
) {
    let mut object = Object::open(out);
    write_text(object.value("type", "text").key("text"), text, prefix);
    mark.map(|mark| object.raw("cache_control", mark.get()));
    object.close();
}

fn write_other_part(out: &mut Vec<u8>, part: &Part<'_>, mark: Option<&RawValue>) {
    let mut object = Object::open(out);
    let kind = part.kind.as_ref();
    object.value("type", kind);
    if let Some(refusal) = part.refusal.as_ref().filter(|_| kind == "refusal") {
        object.value("refusal", refusal);
    }
    if let Some(image) = part.image_url.as_ref().filter(|_| kind == "image_url") {
        object.object("image_url", |fields| {
            fields.value("url", relabelled(&image.url).as_ref().unwrap_or(&image.url));
            image.detail.as_ref().map(|detail| fields.value("detail", detail));
        });
    }
    part.input_audio.filter(|_| kind == "input_audio").map(|raw| object.raw(kind, raw.get()));
    if let Some(raw) = part.file.filter(|_| kind == "file") {
        write_file(&mut object, part, raw);
    }
    mark.map(|mark| object.raw("cache_control", mark.get()));
    object.close();
}

/// Writes a file unchanged, or with the media type that its data have.
fn write_file(object: &mut Object<'_>, part: &Part<'_>, raw: &RawValue) {
    let fields = part.file_fields();
    let data = fields.as_ref().and_then(|fields| relabelled(fields.file_data.as_ref()?));
    let (Some(fields), Some(data)) = (fields, data) else {
        object.raw("file", raw.get());
        return;
    };
    object.object("file", |file| {
        fields.filename.as_ref().map(|name| file.value("filename", name));
        file.value("file_data", &data);
    });
}
