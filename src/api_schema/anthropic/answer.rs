//! The answer in one piece. Claude API reference, *Messages*, "Response"; *Errors*.

use super::{
    names::Names,
    reasoning::Thought,
    wire::{Block, Message, Piece, Tokens, arguments, finish},
};
use crate::{
    api_schema::{error, origin::ResponseContext},
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
};

/// Reads an answer in one piece.
pub(super) fn read<'a>(
    body: &'a [u8],
    names: &Names,
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let message: Message<'a> =
        serde_json::from_slice(body).map_err(|_| origin.bad("is not a message"))?;
    if let Some(error) = message.error {
        return Err(error::hidden(origin, error));
    }
    let content = message.content.ok_or_else(|| origin.bad("has no content"))?;
    let mut said = Said::default();
    for raw in content {
        let block: Block<'a> =
            serde_json::from_str(raw.get()).map_err(|_| origin.bad("holds no block"))?;
        said.add(block.piece(), names);
    }
    let finish = finish(message.stop_reason.as_ref()).with_calls(!said.calls.is_empty());
    let refusal = message.stop_details.and_then(|details| details.explanation);
    let is_silent = said.calls.is_empty();
    let choice = Choice {
        content: concat(&said.texts).or_else(|| is_silent.then(|| Text::new(""))),
        refusal: refusal.filter(|_| finish == Finish::ContentFilter),
        reasoning: concat(&said.thoughts),
        reasoning_details: said.details,
        images: Vec::new(),
        calls: said.calls,
        finish,
        native_finish: message.stop_reason,
        logprobs: None,
        annotations: None,
        audio: None,
    };
    let usage = message.usage.map(Tokens::usage);
    Ok(Answer { choices: vec![choice], usage, system_fingerprint: None, service_tier: None })
}

/// What a message says, block by block.
#[derive(Default)]
struct Said<'a> {
    texts: Vec<Text<'a>>,
    thoughts: Vec<Text<'a>>,
    details: Vec<String>,
    calls: Vec<Call<'a>>,
}

impl<'a> Said<'a> {
    fn add(&mut self, piece: Piece<'a>, names: &Names) {
        match piece {
            Piece::Text(text) if text.is_empty() => {}
            Piece::Text(text) => self.texts.push(text),
            Piece::Thought(thought) => {
                self.details.push(thought.detail(self.details.len()));
                if let Thought::Signed { text, .. } = thought {
                    self.thoughts.extend((!text.is_empty()).then_some(text));
                }
            }
            Piece::Call { id, name, input } => self.calls.push(Call {
                id: id.filter(|id| !id.is_empty()),
                name: names.received(&name),
                arguments: Text::new(arguments(input)),
                extra_content: None,
            }),
            Piece::Other => {}
        }
    }
}

fn concat<'a>(texts: &[Text<'a>]) -> Option<Text<'a>> {
    (!texts.is_empty()).then(|| Text::concat(texts))
}
