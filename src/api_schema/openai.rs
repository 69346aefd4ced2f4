//! OpenAI's chat completions, and the servers that claim to speak them.
//! OpenAI's API reference, *Chat*; what the others do differently is in [`Quirk`](crate::config::Quirk).

mod answer;
mod fit;
mod messages;
mod request;
mod stream;
mod tools;
mod wire;

pub(crate) use self::{answer::answer, fit::fit, request::request, stream::event};
