//! Passes on the calls that keep beginnings of conversations.

use super::{WasmEngine, convert::from_js, state::State};
use crate::{Result, generate::SlotState, session::request::ChatRequest};
use js_sys::{Array, Promise, Uint16Array, Uint32Array};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

#[wasm_bindgen(js_class = Engine)]
impl WasmEngine {
    /// Evaluates the messages and tools of a request as the beginning of a conversation, and keeps
    /// it. The promise resolves to its tokens.
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`keep_prefix`](super::Session::keep_prefix).
    pub fn keep_prefix(&self, request: &JsValue) -> std::result::Result<Promise, JsValue> {
        let request = ChatRequest::from_fields(from_js(request)?)?;
        let mut session = self.take_session()?;
        let state = Rc::clone(&self.state);
        Ok(future_to_promise(async move {
            let tokens = session.keep_prefix(&request).await;
            state.set(State::Ready(session));
            Ok(Uint32Array::from(&tokens?[..]).into())
        }))
    }

    /// Returns the keys and values of the prefix of these tokens, or undefined where it is not kept
    /// any more.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`.
    pub fn kept_prefix(&self, tokens: &[u32]) -> Result<Option<Vec<u16>>> {
        self.with_state(|state| Ok(state.session()?.kept_prefix(tokens).map(<[u16]>::to_vec)))
    }

    /// Keeps a prefix of this request that was kept on an earlier visit. Returns whether its tokens
    /// are those of the request.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`, and those of [`restore_prefix`](super::Session::restore_prefix).
    pub fn restore_prefix(
        &self,
        request: &JsValue,
        tokens: Vec<u32>,
        kv: Vec<u16>,
    ) -> Result<bool> {
        let request = ChatRequest::from_fields(from_js(request)?)?;
        self.with_state(|state| {
            let session = state.session()?;
            let prefix = session.state_of(tokens, kv);
            session.restore_prefix(&request, prefix)
        })
    }

    /// Returns the beginning that the chat template writes by itself, if the last answer was of a
    /// conversation that begins so. The promise resolves to its tokens with their keys and values,
    /// or to undefined.
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`opening`](super::Session::opening).
    pub fn opening(&self, max_bytes: usize) -> std::result::Result<Promise, JsValue> {
        let mut session = self.take_session()?;
        let state = Rc::clone(&self.state);
        Ok(future_to_promise(async move {
            let opening = session.opening(max_bytes).await;
            state.set(State::Ready(session));
            Ok(
                opening?.map_or(JsValue::UNDEFINED, |SlotState { tokens, kv, .. }| {
                    Array::of2(
                        &Uint32Array::from(&tokens[..]).into(),
                        &Uint16Array::from(&kv[..]).into(),
                    )
                    .into()
                }),
            )
        }))
    }

    /// Keeps such a beginning that an earlier visit had. Returns whether its tokens are
    /// those that the chat template writes.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`, and those of [`restore_opening`](super::Session::restore_opening).
    pub fn restore_opening(&self, tokens: Vec<u32>, kv: Vec<u16>) -> Result<bool> {
        self.with_state(|engine| {
            let session = engine.session()?;
            let state = session.state_of(tokens, kv);
            session.restore_opening(state)
        })
    }
}
