//! Messages. They are written from scratch, so that no other field of a client's message, which may
//! come from another provider's answer, reaches a server that would refuse it.

use serde_json::value::RawValue;

use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        message::{Content, Function, Message, Part, Role, ToolCall},
        parameter::Parameter,
        request::Request,
        text::Text,
    },
    config::{Provider, Quirk, Target},
    fit::closing_message::ClosingMessage,
    json::{Object, list},
};

/// Writes all messages.
pub(super) fn write(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>) {
    let provider = input.target.provider;
    let caches = input.target.model.supports(Parameter::CacheControl);
    let mut pending = None;
    let messages = input.request.messages.iter().enumerate().map(ListedMessage::Request);
    let closing = closing_message(input.request, &input.target).map(ListedMessage::Closing);
    list(out, messages.chain(closing), |out, listed| match listed {
        ListedMessage::Request((index, message)) => {
            let legacy = LegacyFunction::read(index, message, &mut pending);
            MessageWriter { message, legacy, provider, caches }.write(out);
        }
        ListedMessage::Closing(message) => {
            let mut object = Object::open(out);
            object.value("role", "user").value("content", message.text());
            object.close();
        }
    });
}

/// Returns the message that closes a conversation whose last message the model refuses: that of an
/// assistant without calls. Instructions and messages of the user without content do not count,
/// because a server can move the former and drop the latter.
pub(super) fn closing_message(
    request: &Request<'_>,
    target: &Target<'_>,
) -> Option<ClosingMessage> {
    if target.model.continues_assistant(target.provider.api_schema) {
        return None;
    }
    let mut closing = ClosingMessage::Continue;
    for message in request.messages.iter().rev() {
        match message.role {
            Role::System | Role::Developer => {}
            Role::User if message.content.is_blank() => closing = ClosingMessage::Placeholder,
            Role::Assistant if !message.has_calls() => return Some(closing),
            _ => return None,
        }
    }
    None
}

/// Item of the list of messages.
enum ListedMessage<'q, 'a> {
    /// Message of the request, with its index.
    Request((usize, &'q Message<'a>)),
    /// Message of the user at the end.
    Closing(ClosingMessage),
}

/// A `function_call` or its result, translated to tools: newer servers do not support functions.
enum LegacyFunction<'m> {
    /// Neither is in the message.
    None,
    /// A call, with an id that follows from the message's index.
    Call(ToolCall<'m>),
    /// A result, by the id of its call.
    Result(Text<'static>),
}

impl<'m> LegacyFunction<'m> {
    /// `pending` holds the name and the id of the last call, until its result.
    fn read(
        index: usize,
        message: &Message<'m>,
        pending: &mut Option<(Text<'m>, Text<'static>)>,
    ) -> Self {
        if message.role == Role::Function {
            let called = pending.take_if(|(name, _)| {
                message.name.as_ref().is_some_and(|own| own.decode() == name.decode())
            });
            return called.map_or(Self::None, |(_, id)| Self::Result(id));
        }
        let has_tools = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        let call = message.function_call.filter(|_| !has_tools);
        let call = call.and_then(|raw| serde_json::from_str::<Function<'m>>(raw.get()).ok());
        let Some(function) = call else { return Self::None };
        let id = Text::new(&format!("call_of_message_{index}"));
        *pending = Some((function.name.clone(), id.clone()));
        Self::Call(ToolCall { id, function, extra_content: None })
    }
}

/// Writer of one message.
struct MessageWriter<'w, 'm> {
    message: &'w Message<'m>,
    legacy: LegacyFunction<'m>,
    provider: &'w Provider,
    /// True if the model supports `cache_control`.
    caches: bool,
}

impl MessageWriter<'_, '_> {
    fn write(&self, out: &mut Vec<u8>) {
        let (message, provider) = (self.message, self.provider);
        let mut object = Object::open(out);
        let result = matches!(self.legacy, LegacyFunction::Result(_));
        object.value("role", if result { "tool" } else { role(message.role, provider) });
        let prefix = speaker_prefix(message, provider);
        self.content(object.key("content"), prefix);
        // The name of a tool's result is that of the call with its id.
        let has_name = prefix.is_none() && !result && message.role != Role::Tool;
        non_empty_name(message).filter(|_| has_name).map(|name| object.value("name", name));
        self.calls(&mut object);
        let id = if let LegacyFunction::Result(id) = &self.legacy { Some(id) } else { None };
        if let Some(id) = id.or(message.tool_call_id.as_ref()) {
            object.value("tool_call_id", id);
        }
        if let Some(refusal) = &message.refusal {
            object.value("refusal", refusal);
        }
        object.close();
    }

    fn calls(&self, object: &mut Object<'_>) {
        let (message, provider) = (self.message, self.provider);
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        let legacy = if let LegacyFunction::Call(call) = &self.legacy { Some(call) } else { None };
        if provider.has(Quirk::ReasoningDetails) {
            message.reasoning_details.map(|raw| object.raw("reasoning_details", raw.get()));
        }
        if calls.is_empty() && legacy.is_none() {
            return;
        }
        list(object.key("tool_calls"), calls.iter().chain(legacy), write_call);
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
            Content::Parts(parts) => {
                let texts: Option<Vec<&Text<'_>>> = parts.iter().map(Part::as_text).collect();
                match texts.filter(|_| self.provider.has(Quirk::TextInOneString)) {
                    Some(texts) => write_texts(out, &texts, prefix),
                    None => self.parts(out, parts, prefix),
                }
            }
        }
    }

    /// Returns true if the content may be null, as beside calls or a refusal.
    fn may_lack_content(&self) -> bool {
        let Message { tool_calls, refusal, .. } = self.message;
        let calls = tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        calls || refusal.is_some() || matches!(self.legacy, LegacyFunction::Call(_))
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
                let mark = part.cache_control.filter(|_| self.caches);
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
        Role::Tool => "tool",
        Role::Function => "function",
    }
}

/// Returns the name of the speaker or of the function, unless it is empty.
fn non_empty_name<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Text<'a>> {
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
fn write_texts(out: &mut Vec<u8>, texts: &[&Text<'_>], prefix: Option<&Text<'_>>) {
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
fn plain_text<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Text<'a>> {
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
            fields.value("url", &image.url);
            image.detail.as_ref().map(|detail| fields.value("detail", detail));
        });
    }
    for (key, raw) in [("input_audio", part.input_audio), ("file", part.file)] {
        raw.filter(|_| kind == key).map(|raw| object.raw(key, raw.get()));
    }
    mark.map(|mark| object.raw("cache_control", mark.get()));
    object.close();
}

fn write_call(out: &mut Vec<u8>, call: &ToolCall<'_>) {
    let mut object = Object::open(out);
    object.value("id", &call.id).value("type", "function").object("function", |function| {
        let none = Text::new("{}");
        let arguments = call.function.arguments.as_ref().filter(|text| !text.is_empty());
        function.value("name", &call.function.name).value("arguments", arguments.unwrap_or(&none));
    });
    object.close();
}
