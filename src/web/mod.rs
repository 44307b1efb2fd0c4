//! Defines the class that JavaScript sees, which passes calls on and has no logic of its own.

mod calls;
mod convert;
mod options;
mod prefix;
mod state;

use crate::{
    Result,
    session::{
        Session,
        engine::{AnyLoader, Pool, WorkerSlot, WorkerSlots},
        request::ChatRequest,
    },
};
use convert::{from_js, to_js};
use js_sys::Promise;
use options::{cpu_options, gpu_options, special};
use state::{State, finish};
use std::{
    cell::{Cell, RefCell},
    panic,
    rc::Rc,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// Holds a model that is being loaded, or is ready to answer. JavaScript sees the class as
/// `Engine`. Every error that it throws has a `code` and a `message`.
#[wasm_bindgen(js_name = Engine)]
pub struct WasmEngine {
    state: Rc<Cell<State>>,
    /// Holds the thread pool's places for workers that have not been taken.
    worker_slots: RefCell<Vec<WorkerSlot>>,
}

/// Holds the slots that [`WasmEngine::take_seat`] gave away, of all engines of this memory.
static WORKER_SLOTS: WorkerSlots = WorkerSlots::new();

/// Shares the work of the engine that gave `seat`, until that engine is freed or a thread of it
/// fails. Must be called once for each seat, in a worker of its own that was started on the
/// engine's module and memory.
///
/// # Errors
///
/// `invalid_argument` for a seat that no engine gave, or that is taken.
#[wasm_bindgen]
pub fn run_thread(seat: usize) -> Result<()> {
    WORKER_SLOTS.work(seat)
}

/// Tells the engine that the thread in `seat` failed, after [`run_thread`] threw something without
/// a code. What the engine computes then ends with an exception.
///
/// # Errors
///
/// `invalid_argument` for a seat that no thread is in.
#[wasm_bindgen]
pub fn thread_failed(seat: usize) -> Result<()> {
    WORKER_SLOTS.fail(seat)
}

#[wasm_bindgen(js_class = Engine)]
impl WasmEngine {
    /// Makes an engine on the CPU. `options` is `{context_tokens?: number, chat_template?: string,
    /// threads?: number}`. Each thread but the caller's is a worker that calls [`run_thread`].
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `template`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<WasmEngine> {
        let (options, threads) = cpu_options(options)?;
        let pool = Pool::new(threads);
        let worker_slots = (1..threads).map(|_| pool.seat()).collect();
        Ok(WasmEngine::loading(
            AnyLoader::cpu(options, pool),
            worker_slots,
        ))
    }

    /// Makes an engine on the GPU.
    ///
    /// `options` is `{context_tokens?: number, chat_template?: string, cache_type?: "f16" | "q8_0",
    /// features?: string[], steps_in_flight?: number, int8_dot?: boolean, f16_tiles?: boolean}`.
    /// Shaders use no other `features` than these, a `gpu_features` of
    /// [`ModelInfo`](crate::session::info::ModelInfo). The last three are measured where they are
    /// absent; with `int8_dot` or `f16_tiles`, the matrix products are not tuned
    /// ([`MatmulStrategy`]).
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `template`, and those of the GPU.
    ///
    /// [`MatmulStrategy`]: crate::session::engine::MatmulStrategy
    pub async fn on_gpu(options: JsValue) -> std::result::Result<WasmEngine, JsValue> {
        let (options, gpu) = gpu_options(&options)?;
        Ok(WasmEngine::loading(
            AnyLoader::on_gpu(options, gpu).await?,
            Vec::new(),
        ))
    }

    /// Replaces a lost GPU by the backend of `fresh`, whose seats are this engine's from here on.
    /// The same file must be pushed once more; then the answer continues.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `not_loaded`, `busy`.
    pub fn reload(&self, fresh: WasmEngine) -> Result<()> {
        self.with_state(|state| match (std::mem::take(state), fresh.state.take()) {
            (State::Ready(mut session), State::Loading(loader)) => {
                session.abandon();
                *state = State::Reloading(session, loader);
                Ok(())
            }
            (State::Reloading(session, _), State::Loading(loader)) => {
                *state = State::Reloading(session, loader);
                Ok(())
            }
            (mine, _) => {
                let error = mine.refusal();
                *state = mine;
                Err(error)
            }
        })?;
        self.worker_slots.swap(&fresh.worker_slots);
        Ok(())
    }

    /// Takes the seat of one more thread, for [`run_thread`]. Returns undefined when all are taken.
    pub fn take_seat(&self) -> Option<usize> {
        let slot = self.worker_slots.borrow_mut().pop()?;
        Some(WORKER_SLOTS.add(slot))
    }

    /// Adds an adapter, whose whole file is given, before the model's first byte is pushed. It is as
    /// strong as `scale` where a request does not say otherwise.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::add_adapter`](crate::loader::Loader::add_adapter).
    pub fn add_adapter(&self, file: &[u8], scale: f32) -> Result<()> {
        self.with_state(|state| state.loader()?.add_adapter(file, scale))
    }

    /// Takes the next bytes of the model file.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::push`](crate::loader::Loader::push).
    pub fn push(&self, bytes: &[u8]) -> Result<()> {
        self.with_state(|state| state.loader()?.push(bytes))
    }

    /// Returns whether enough of the file was pushed for [`WasmEngine::test_gpu`].
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the model is complete, `not_loaded`, `busy`.
    pub fn has_header(&self) -> Result<bool> {
        self.with_state(|state| Ok(state.loader()?.has_header()))
    }

    /// Tests the GPU kernels that the model needs. With `threads` above 0, a GPU that is slower
    /// than that number of CPU threads is refused.
    ///
    /// # Errors
    ///
    /// The promise rejects with `gpu_refused`, `gpu_slower`, and the errors of the GPU.
    pub fn test_gpu(&self, threads: usize) -> Promise {
        let (loader, session) = match self.take_loader() {
            Ok(taken) => taken,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let outcome = loader.probe(threads).await;
            state.set(State::with_loader(session, loader));
            outcome?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Waits until the GPU has taken all that was pushed.
    ///
    /// # Errors
    ///
    /// The promise rejects with the errors of the GPU.
    pub fn settle(&self) -> Promise {
        let (mut loader, session) = match self.take_loader() {
            Ok(taken) => taken,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let outcome = loader.settle().await;
            state.set(State::with_loader(session, loader));
            outcome?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Finishes the load, after the file's last byte was pushed. The promise resolves to a
    /// [`ModelInfo`](crate::session::info::ModelInfo).
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`Loader::finish`](crate::loader::Loader::finish).
    pub fn finish(&self) -> Promise {
        let (loader, session) = match self.take_loader() {
            Ok(taken) => taken,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let (after, info) = finish(*loader, session).await;
            state.set(after);
            to_js(&info?)
        })
    }

    /// Begins an answer to a request in the OpenAI API's shape.
    ///
    /// # Errors
    ///
    /// Those of [`Session::start`].
    pub fn start(&self, request: &JsValue) -> Result<()> {
        let request = ChatRequest::from_fields(from_js(request)?)?;
        self.with_state(|state| state.session()?.start(request))
    }

    /// Takes one step of the answer. The promise resolves to an
    /// [`Event`](crate::generate::event::Event), or to undefined after the last one.
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`Session::next`].
    pub fn next(&self) -> Promise {
        let mut session = match self.take_session() {
            Ok(session) => session,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let event = session.next().await;
            state.set(State::Ready(session));
            event?.as_ref().map_or(Ok(JsValue::UNDEFINED), to_js)
        })
    }

    /// Computes how likely the model finds each of the tokens from number `from` on, by default 1.
    /// The promise resolves to a [`Score`](crate::session::score::Score).
    ///
    /// # Errors
    ///
    /// The promise rejects with those of [`Session::score`].
    pub fn score(&self, ids: Vec<u32>, from: Option<usize>) -> Promise {
        let mut session = match self.take_session() {
            Ok(session) => session,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let score = session.score(&ids, from.unwrap_or(1)).await;
            state.set(State::Ready(session));
            to_js(&score?)
        })
    }

    /// Makes the next event end the answer.
    pub fn stop(&self) {
        let state = self.state.take();
        match &state {
            State::Ready(session) => session.stop(),
            State::Writing(handle) => handle.stop(),
            State::Loading(_) | State::Reloading(..) | State::Unloaded => {}
        }
        self.state.set(state);
    }

    /// Returns the token ids of `text`. `options` is `{special?: boolean}`, whether the control
    /// tokens in the text are parsed as such.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `not_loaded`, `busy`.
    pub fn tokenize(&self, text: &str, options: &JsValue) -> Result<Vec<u32>> {
        let special = special(options)?;
        self.with_state(|state| Ok(state.session()?.tokenize(text, special)))
    }

    /// Returns the text of token ids.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `not_loaded`, `busy`.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        self.with_state(|state| state.session()?.detokenize(ids))
    }

    /// Returns the size of the wasm memory, which never shrinks.
    pub fn memory_bytes(&self) -> f64 {
        const PAGE_BYTES: f64 = 65536.0;
        core::arch::wasm32::memory_size(0) as f64 * PAGE_BYTES
    }
}

impl WasmEngine {
    /// Makes an engine that waits for the first bytes of a file.
    fn loading(loader: AnyLoader, worker_slots: Vec<WorkerSlot>) -> Self {
        panic::set_hook(Box::new(|panic| {
            wasm_bindgen::throw_str(&format!(
                "Siskin stopped at a bug of its own, please report it: {panic}"
            ))
        }));
        Self {
            state: Rc::new(Cell::new(State::Loading(Box::new(loader)))),
            worker_slots: RefCell::new(worker_slots),
        }
    }

    /// Takes the loader out, and the session that waits for its model if there is one. The caller
    /// puts a state back.
    fn take_loader(&self) -> Result<(Box<AnyLoader>, Option<Box<Session>>)> {
        match self.state.take() {
            State::Loading(loader) => Ok((loader, None)),
            State::Reloading(session, loader) => Ok((loader, Some(session))),
            other => {
                let error = other.refusal();
                self.state.set(other);
                Err(error)
            }
        }
    }

    /// Takes the session out for a step. The caller puts it back.
    fn take_session(&self) -> Result<Box<Session>> {
        match self.state.take() {
            State::Ready(session) => {
                self.state.set(State::Writing(session.stop_handle()));
                Ok(session)
            }
            other => {
                let error = other.refusal();
                self.state.set(other);
                Err(error)
            }
        }
    }

    /// Calls `call` with the state.
    fn with_state<T>(&self, call: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state.take();
        let result = call(&mut state);
        self.state.set(state);
        result
    }
}
