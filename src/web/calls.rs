//! The calls that write no answer: counting, embedding, and a look at a header.

use super::{
    WasmEngine,
    convert::{from_js, to_js},
    state::State,
};
use crate::{Result, session::request::ChatRequest};
use js_sys::{Float32Array, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

#[wasm_bindgen(js_class = Engine)]
impl WasmEngine {
    /// Returns what the header says of the model, as a [`LoadPlan`](crate::loader::LoadPlan), or
    /// undefined until enough of the file was pushed.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the model is complete, `not_loaded`, `busy`.
    pub fn plan(&self) -> std::result::Result<JsValue, JsValue> {
        let plan = self.with_state(|state| Ok(state.loader()?.plan()))?;
        plan.as_ref().map_or(Ok(JsValue::UNDEFINED), to_js)
    }

    /// Returns the token ids of a request's prompt.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`, and those of [`Session::prompt_tokens`].
    ///
    /// [`Session::prompt_tokens`]: crate::session::Session::prompt_tokens
    pub fn prompt_tokens(&self, request: &JsValue) -> Result<Vec<u32>> {
        let request = ChatRequest::from_fields(from_js(request)?)?;
        self.with_state(|state| state.session()?.prompt_tokens(&request))
    }

    /// Returns the token ids of a text that is to be embedded.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`.
    pub fn embedding_tokens(&self, text: &str) -> Result<Vec<u32>> {
        self.with_state(|state| Ok(state.session()?.embedding_tokens(text)))
    }

    /// Computes the embedding of the tokens. The promise resolves to a `Float32Array`.
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`Session::embed`](crate::session::Session::embed).
    pub fn embed(&self, ids: Vec<u32>) -> Promise {
        let mut session = match self.take_session() {
            Ok(session) => session,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let embedding = session.embed(&ids).await;
            state.set(State::Ready(session));
            Ok(Float32Array::from(&embedding?[..]).into())
        })
    }
}
