//! Turns and their blocks. Amazon Bedrock API reference, *Message* and *ContentBlock*.

use crate::{
    api_schema::{
        anthropic::{
            AnthropicTurn, BlockContent, CacheControl, ContentBlock, MediaBlock, MediaSource,
            ToolResult, TurnRole,
        },
        tool_names::ToolNames,
        tool_results::MISSING_RESULT,
    },
    chat::text::Text,
    fit::closing_message::ClosingMessage,
    json::{Object, list},
};
use serde_json::value::RawValue;

/// Writer of blocks.
pub(super) struct BlockWriter<'n> {
    names: &'n ToolNames,
    /// Number of the documents so far: no two may have the same name.
    documents: usize,
}

/// Item of a list of blocks.
enum BlockItem<'b, 'q> {
    Block(&'b ContentBlock<'q>),
    Result(&'b ToolResult<'q>),
    CachePoint(CacheControl<'b>),
}

impl<'n> BlockWriter<'n> {
    pub(super) fn new(names: &'n ToolNames) -> Self {
        Self { names, documents: 0 }
    }

    pub(super) fn write_turns(&mut self, out: &mut Vec<u8>, turns: &[AnthropicTurn<'_>]) {
        list(out, turns, |out, turn| {
            let mut object = Object::open(out);
            let is_user = turn.role == TurnRole::User;
            object.value("role", if is_user { "user" } else { "assistant" });
            let results = turn
                .results
                .iter()
                .flat_map(|result| [Some(BlockItem::Result(result)), cache_point(mark_of(result))]);
            let items = results.chain(turn.blocks.iter().flat_map(items));
            self.write_items(object.key("content"), items.flatten());
            object.close();
        });
    }

    /// Writes blocks without calls.
    pub(super) fn write_blocks(&mut self, out: &mut Vec<u8>, blocks: &[ContentBlock<'_>]) {
        self.write_items(out, blocks.iter().flat_map(items).flatten());
    }

    fn write_items<'b, 'q: 'b>(
        &mut self,
        out: &mut Vec<u8>,
        items: impl Iterator<Item = BlockItem<'b, 'q>>,
    ) {
        list(out, items, |out, item| {
            let mut object = Object::open(out);
            match item {
                BlockItem::Block(block) => self.write_content(&mut object, &block.content),
                BlockItem::Result(result) => self.write_result(&mut object, result),
                BlockItem::CachePoint(mark) => write_cache_point(&mut object, &mark),
            }
            object.close();
        });
    }

    fn write_content(&mut self, object: &mut Object<'_>, content: &BlockContent<'_>) {
        match content {
            BlockContent::Text(text) => drop(object.raw("text", text.json())),
            BlockContent::Media(media) => self.write_media(object, media),
            BlockContent::ToolUse { id, name, input } => {
                object.object("toolUse", |call| {
                    call.value("toolUseId", id).value("name", &self.names.sent(name));
                    call.raw("input", input.as_bytes());
                });
            }
            // Left out by `items`.
            BlockContent::Thinking(_) => {}
        }
    }

    fn write_media(&mut self, object: &mut Object<'_>, media: &MediaBlock<'_>) {
        match media {
            MediaBlock::Image(source) => {
                object.object("image", |image| write_source(image, source));
            }
            MediaBlock::Document(source, _) => {
                self.documents += 1;
                object.object("document", |document| {
                    document.value("name", &format!("document-{}", self.documents));
                    write_source(document, source);
                });
            }
        }
    }

    /// Writes a result, which must have content.
    fn write_result(&mut self, object: &mut Object<'_>, result: &ToolResult<'_>) {
        object.object("toolResult", |own| {
            own.value("toolUseId", &result.id);
            let text = |text: &str| ContentBlock::uncached(BlockContent::Text(Text::new(text)));
            match &result.content {
                Some(blocks) if !blocks.is_empty() => {
                    let blocks = blocks.iter().map(BlockItem::Block);
                    self.write_items(own.key("content"), blocks);
                }
                Some(_) => {
                    let placeholder = ClosingMessage::Placeholder.text();
                    self.write_blocks(own.key("content"), &[text(placeholder)]);
                }
                None => {
                    self.write_blocks(own.key("content"), &[text(MISSING_RESULT)]);
                    own.value("status", "error");
                }
            }
        });
    }
}

/// Returns a block and the cache point behind it. Thoughts are not sent back.
fn items<'b, 'q>(block: &'b ContentBlock<'q>) -> [Option<BlockItem<'b, 'q>>; 2] {
    let is_sent = !matches!(block.content, BlockContent::Thinking(_));
    [is_sent.then_some(BlockItem::Block(block)), cache_point(block.cache_control)]
}

/// Returns the mark of a result, or the last one in it, as a cache point has no place there.
fn mark_of<'q>(result: &ToolResult<'q>) -> Option<&'q RawValue> {
    let inner = || result.content.iter().flatten().rev().find_map(|block| block.cache_control);
    result.cache_control.or_else(inner)
}

fn cache_point<'q>(cache_control: Option<&RawValue>) -> Option<BlockItem<'_, 'q>> {
    cache_control.and_then(CacheControl::read).map(BlockItem::CachePoint)
}

/// Writes a cache point: Amazon Bedrock API reference, *CachePointBlock*.
pub(super) fn write_cache_point(object: &mut Object<'_>, mark: &CacheControl<'_>) {
    object.object("cachePoint", |point| {
        point.value("type", "default");
        mark.ttl().map(|ttl| point.value("ttl", ttl));
    });
}

/// Writes the format and the source of an image or a document. No source is a URL: the fit refuses
/// them.
fn write_source(object: &mut Object<'_>, source: &MediaSource<'_>) {
    match source {
        MediaSource::Base64 { media_type, data } => {
            let (_, format) = media_type.split_once('/').unwrap_or_default();
            object.value("format", format).object("source", |source| {
                source.value("bytes", data);
            });
        }
        MediaSource::Text(text) => {
            object.value("format", "txt").object("source", |source| {
                source.value("text", text);
            });
        }
        MediaSource::Url(_) => {}
    }
}
