//! The answer as a stream. Claude API, *Streaming messages*.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    names::ToolNames,
    reasoning::ThinkingBlock,
    wire::{self, ResponseBlock, StopDetails, UsageTokens, WireBlock, to_arguments},
};
use crate::{
    api_schema::{error, origin::ResponseContext},
    chat::{
        error::Error,
        finish::Finish,
        stream_writer::Writer,
        text::{Text, lenient},
    },
    sse::MAX_EVENT,
};

/// How far a stream has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Whether the message began.
    begun: bool,
    tokens: Option<UsageTokens>,
    /// The thoughts under way, which go out once more with their signature.
    thinking: Option<Thinking>,
    /// How many blocks of thoughts there have been.
    thoughts: usize,
    /// The call under way, with the input that came before any piece of it.
    input: Option<(usize, String)>,
    /// Why the model stopped. Said to the client when the message is complete, because until then
    /// an error may come.
    stop: Option<Stop>,
}

#[derive(Clone, Debug)]
struct Stop {
    finish: Finish,
    native: Text<'static>,
    refusal: Option<Text<'static>>,
}

/// Thoughts under way.
#[derive(Clone, Debug)]
struct Thinking {
    /// Still escaped as in JSON. Bounded by [`MAX_EVENT`]: longer thoughts cannot come back, so
    /// that they are not handed out.
    text: String,
    signature: Text<'static>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(default)]
    message: Option<Started>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageTokens>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageTokens>,
}

/// More of a block, or of the message. Fields of deltas that we do not know may be anything.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    stop_details: Option<StopDetails<'a>>,
}

impl Progress {
    /// Takes in one event. Pings, and events that are new to us, say nothing. If all it said was more
    /// text, that is given back.
    pub(super) fn event<'d>(
        &mut self,
        data: &'d [u8],
        names: &ToolNames,
        writer: &mut Writer,
        origin: ResponseContext<'_>,
    ) -> Result<Option<(usize, Text<'d>)>, Error> {
        let data = data.trim_ascii();
        // No word of Anthropic's, but servers that speak its schema add it.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(None);
        }
        let event: Event<'d> = serde_json::from_slice(data)
            .map_err(|_| origin.bad("holds an event that is not JSON"))?;
        if let Some(error) = event.error {
            return Err(error::classify_embedded(origin, error));
        }
        // An index beyond this machine's numbers is beyond any bound too.
        let index = usize::try_from(event.index.unwrap_or_default()).unwrap_or(usize::MAX);
        match event.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "message_start" => self.begin(event.message, writer),
            "content_block_start" => self.open(index, event.content_block, names, writer),
            "content_block_delta" => return Ok(self.more(index, event.delta, writer)),
            "content_block_stop" => self.close(writer),
            "message_delta" => {
                self.close(writer);
                self.count(event.usage);
                self.stop(event.delta);
            }
            "message_stop" => self.end(writer, origin)?,
            "error" => return Err(origin.bad("ended in an error it does not name")),
            _ => {}
        }
        Ok(None)
    }

    /// What the prompt cost is said at once, and is owed even if the rest never comes.
    fn begin(&mut self, message: Option<Started>, writer: &mut Writer) {
        self.begun = true;
        self.count(message.and_then(|message| message.usage));
        if let Some(tokens) = self.tokens {
            writer.usage(tokens.usage());
        }
    }

    fn count(&mut self, later: Option<UsageTokens>) {
        if let Some(later) = later {
            self.tokens = Some(self.tokens.unwrap_or_default().merge(later));
        }
    }

    fn open(
        &mut self,
        index: usize,
        block: Option<&RawValue>,
        names: &ToolNames,
        writer: &mut Writer,
    ) {
        self.close(writer);
        let block = block.and_then(|raw| serde_json::from_str::<WireBlock<'_>>(raw.get()).ok());
        match block.map(WireBlock::decode) {
            Some(ResponseBlock::Text(text)) => writer.content(0, &text, None),
            Some(ResponseBlock::Thinking(ThinkingBlock::Signed { text, signature })) => {
                writer.reasoning(0, &text);
                let (text, signature) = (text.escaped().to_owned(), signature.into_owned());
                self.thinking = Some(Thinking { text, signature });
            }
            Some(ResponseBlock::Thinking(redacted)) => self.hand_out(&redacted, writer),
            Some(ResponseBlock::ToolUse { id, name, input }) => {
                writer.call(0, index, id.as_ref(), Some(&names.received(&name)), None);
                self.input = Some((index, to_arguments(input).to_owned()));
            }
            Some(ResponseBlock::Other) | None => {}
        }
    }

    /// More of a block. Text is given back, as it changes nothing here.
    fn more<'d>(
        &mut self,
        index: usize,
        delta: Option<&'d RawValue>,
        writer: &mut Writer,
    ) -> Option<(usize, Text<'d>)> {
        let delta: Delta<'d> = serde_json::from_str(delta?.get()).ok()?;
        match delta.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "text_delta" => {
                let text = Text::from_raw(delta.text?)?;
                writer.content(0, &text, None);
                return Some((0, text));
            }
            "input_json_delta" => {
                let json = Text::from_raw(delta.partial_json?)?;
                if !json.is_empty() {
                    self.input = None;
                    writer.arguments(0, index, &json);
                }
            }
            "thinking_delta" => {
                let text = Text::from_raw(delta.thinking?)?;
                self.think(&text);
                writer.reasoning(0, &text);
            }
            "signature_delta" => {
                let signature = Text::from_raw(delta.signature?)?;
                if let Some(own) = &mut self.thinking {
                    own.signature = signature.into_owned();
                }
            }
            _ => {}
        }
        None
    }

    fn think(&mut self, text: &Text<'_>) {
        let more = text.escaped();
        match &mut self.thinking {
            Some(own) if own.text.len() + more.len() <= MAX_EVENT => own.text.push_str(more),
            _ => self.thinking = None,
        }
    }

    /// A block is over: thoughts are handed out for the next turn, and a call has its input.
    fn close(&mut self, writer: &mut Writer) {
        if let Some(Thinking { text, signature }) = self.thinking.take() {
            let token = format!("\"{text}\"");
            let text = serde_json::from_str::<&RawValue>(&token).ok().and_then(Text::from_raw);
            let text = text.unwrap_or_else(|| Text::new(""));
            self.hand_out(&ThinkingBlock::Signed { text, signature }, writer);
        }
        if let Some((index, input)) = self.input.take() {
            writer.arguments(0, index, &Text::new(&input));
        }
    }

    fn hand_out(&mut self, thought: &ThinkingBlock<'_>, writer: &mut Writer) {
        writer.reasoning_detail(0, &thought.to_detail(self.thoughts));
        self.thoughts += 1;
    }

    fn stop(&mut self, delta: Option<&RawValue>) {
        let delta = delta.and_then(|raw| serde_json::from_str::<Delta<'_>>(raw.get()).ok());
        let Some(delta) = delta else { return };
        let Some(reason) = delta.stop_reason.and_then(Text::from_raw) else { return };
        let refusal = delta.stop_details.and_then(|details| details.explanation);
        self.stop = Some(Stop {
            finish: wire::to_finish(Some(&reason)),
            native: reason.into_owned(),
            refusal: refusal.map(Text::into_owned),
        });
    }

    /// The message is complete. A stream that ends without this broke off, whatever it said before.
    fn end(&mut self, writer: &mut Writer, origin: ResponseContext<'_>) -> Result<(), Error> {
        self.close(writer);
        if !self.begun && !writer.has_begun() {
            return Err(origin.bad("ended before it began"));
        }
        let stop = self.stop.take();
        let finish = stop.as_ref().map_or(Finish::Stop, |stop| stop.finish);
        let refusal = stop.as_ref().and_then(|stop| stop.refusal.as_ref());
        if let Some(refusal) = refusal.filter(|_| finish == Finish::ContentFilter) {
            writer.refusal(0, refusal);
        }
        writer.finish(0, finish, stop.as_ref().map(|stop| &stop.native));
        if let Some(tokens) = self.tokens {
            writer.usage(tokens.usage());
        }
        writer.end();
        Ok(())
    }
}
