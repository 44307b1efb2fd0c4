//! What JavaScript sees: one class that passes calls on. No logic.

mod convert;

#[cfg(not(target_feature = "atomics"))]
use crate::session::engine::{CacheType, GpuOptions, MatmulStrategy};
use crate::{
    Code, Error, Result,
    generate::generator::StopHandle,
    loader::Options,
    session::{
        Session,
        engine::{AnyLoader, Pool, WorkerSlot},
        fields::Fields,
        info::ModelInfo,
        request::ChatRequest,
    },
    text::tokenizer::Special,
};
use convert::{from_js, to_js};
use js_sys::Promise;
use std::{
    cell::{Cell, RefCell},
    panic,
    rc::Rc,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// A model in the making, or ready to answer. Every error that it throws has a `code` and a `message`.
#[wasm_bindgen(js_name = Engine)]
pub struct WasmEngine {
    state: Rc<Cell<State>>,
    seats: RefCell<Vec<WorkerSlot>>,
}

/// Whoever works with the state takes it out of its cell, so that no call can meet another one's borrow.
#[derive(Default)]
enum State {
    Loading(Box<AnyLoader>),
    /// The session waits for its model, which was lost, to be loaded again.
    Reloading(Box<Session>, Box<AnyLoader>),
    Ready(Box<Session>),
    /// The session is out, writing the next piece of an answer.
    Writing(StopHandle),
    /// Loading failed.
    #[default]
    Unloaded,
}

impl State {
    fn session(&mut self) -> Result<&mut Session> {
        match self {
            State::Ready(session) => Ok(session),
            other => Err(other.refusal()),
        }
    }

    /// Why a call that this state has no use for fails.
    fn refusal(&self) -> Error {
        match self {
            State::Loading(_) | State::Reloading(..) => Error::new(
                Code::NotLoaded,
                "The model is not loaded yet. Push all of its file, then call finish().",
            ),
            State::Ready(_) => Error::new(
                Code::InvalidArgument,
                "The model is complete. Make a new Engine for another one.",
            ),
            State::Writing(_) => Error::new(
                Code::Busy,
                "A step of an answer is being written. Await next() before the next call.",
            ),
            State::Unloaded => Error::new(
                Code::NotLoaded,
                "Loading failed. Make a new Engine and push the file again.",
            ),
        }
    }
}

/// A session that waits for its model gets it; an error leaves it waiting for another backend.
async fn finish(loader: AnyLoader, session: Option<Box<Session>>) -> (State, Result<ModelInfo>) {
    let loaded = match loader.finish() {
        Ok(mut loaded) => loaded.model.settle().await.map(|()| loaded),
        Err(error) => Err(error),
    };
    match (loaded, session) {
        (Ok(loaded), None) => {
            let info = ModelInfo::from(&loaded);
            (State::Ready(Box::new(loaded.into())), Ok(info))
        }
        (Ok(loaded), Some(mut session)) => {
            let info = ModelInfo::from(&loaded);
            session.replace_decoder(loaded.model);
            (State::Ready(session), Ok(info))
        }
        (Err(error), session) => (session.map_or(State::Unloaded, State::Ready), Err(error)),
    }
}

/// More threads than any tab is given.
const MAX_THREADS: usize = 64;

/// Shares the work of the engine that gave `seat`, until that is freed. To be called once for a seat, in a worker of its own that was
/// started on the engine's module and memory.
#[wasm_bindgen]
pub fn run_thread(seat: usize) {
    // SAFETY: the number comes from `take_seat`, which gives each away once.
    unsafe { Box::from_raw(seat as *mut WorkerSlot) }.work();
}

#[wasm_bindgen(js_class = Engine)]
impl WasmEngine {
    /// On the processor. `options`: `{context_tokens?: number, threads?: number}`; each thread but the caller's is another worker in
    /// [`run_thread`].
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<WasmEngine> {
        let (options, threads) = loader_options(options)?;
        let pool = Pool::new(threads);
        let seats = (1..threads).map(|_| pool.seat()).collect();
        Ok(WasmEngine::loading(AnyLoader::cpu(options, pool), seats))
    }

    /// On the graphics card. `options`: `{context_tokens?: number, cache_type?: "f16" | "q8_0"}`, and what is measured if it is absent:
    /// `{steps_in_flight?: number, dots?: boolean, f16_tiles?: boolean}`; with any of the last two nothing is tuned ([`MatmulStrategy`]).
    /// Errors: those of the GPU.
    #[cfg(not(target_feature = "atomics"))]
    pub async fn on_gpu(options: JsValue) -> std::result::Result<WasmEngine, JsValue> {
        let mut fields = Fields::from_json(&from_js(&options)?)?;
        let options = Options {
            context_tokens: fields.take("context_tokens")?,
        };
        let cache_type = fields
            .take::<String>("cache_type")?
            .as_deref()
            .map(CacheType::named)
            .transpose()?
            .unwrap_or_default();
        let kind: [Option<bool>; 2] = [fields.take("int8_dot")?, fields.take("f16_tiles")?];
        let [int8_dot, f16_tiles] = kind.map(Option::unwrap_or_default);
        let products = kind.iter().any(Option::is_some).then_some(MatmulStrategy {
            int8_dot,
            f16_tiles,
        });
        let gpu = GpuOptions {
            cache_type,
            products,
            steps_in_flight: fields.take("steps_in_flight")?,
            ..GpuOptions::default()
        };
        fields.finish()?;
        Ok(WasmEngine::loading(
            AnyLoader::on_gpu(options, gpu).await?,
            Vec::new(),
        ))
    }

    /// To be called when the GPU was lost: the same file is pushed once more, into `fresh`'s backend, and the answer goes on.
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
        })
    }

    /// The place of one more thread, for [`run_thread`]; undefined when all are taken.
    pub fn take_seat(&self) -> Option<usize> {
        let seat = self.seats.borrow_mut().pop()?;
        Some(Box::into_raw(Box::new(seat)) as usize)
    }

    /// Takes the next bytes of the model file.
    pub fn push(&self, bytes: &[u8]) -> Result<()> {
        self.with_state(|state| match state {
            State::Loading(loader) | State::Reloading(_, loader) => loader.push(bytes),
            other => Err(other.refusal()),
        })
    }

    /// Whether enough of the file is there for [`WasmEngine::test_gpu`].
    pub fn has_header(&self) -> Result<bool> {
        self.with_state(|state| match state {
            State::Loading(loader) | State::Reloading(_, loader) => Ok(loader.has_header()),
            other => Err(other.refusal()),
        })
    }

    /// Tries the kernels that the model needs; with `threads` above 0, refuses a card that is slower than so many of the processor's.
    pub fn test_gpu(&self, threads: usize) -> Promise {
        let (loader, session) = match self.state.take() {
            State::Loading(loader) => (loader, None),
            State::Reloading(session, loader) => (loader, Some(session)),
            other => {
                let error = other.refusal();
                self.state.set(other);
                return Promise::reject(&error.into());
            }
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let outcome = loader.probe(threads).await;
            state.set(match session {
                None => State::Loading(loader),
                Some(session) => State::Reloading(session, loader),
            });
            outcome?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// To be called after the file's last byte. Gives what the page shows of the model.
    pub fn finish(&self) -> Promise {
        let (loader, session) = match self.state.take() {
            State::Loading(loader) => (loader, None),
            State::Reloading(session, loader) => (loader, Some(session)),
            other => {
                let error = other.refusal();
                self.state.set(other);
                return Promise::reject(&error.into());
            }
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let (after, info) = finish(*loader, session).await;
            state.set(after);
            to_js(&info?)
        })
    }

    /// Begins an answer to an OpenAI-shaped request.
    pub fn start(&self, request: &JsValue) -> Result<()> {
        self.with_state(|state| {
            state
                .session()?
                .start(ChatRequest::from_json(&from_js(request)?)?)
        })
    }

    /// The next event of the answer; undefined after the last.
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

    /// How likely the model finds each of the tokens.
    pub fn score(&self, ids: Vec<u32>) -> Promise {
        let mut session = match self.take_session() {
            Ok(session) => session,
            Err(error) => return Promise::reject(&error.into()),
        };
        let state = Rc::clone(&self.state);
        future_to_promise(async move {
            let score = session.score(&ids).await;
            state.set(State::Ready(session));
            to_js(&score?)
        })
    }

    /// The next event ends the answer.
    pub fn stop(&self) {
        let state = self.state.take();
        match &state {
            State::Ready(session) => session.stop(),
            State::Writing(handle) => handle.stop(),
            State::Loading(_) | State::Reloading(..) | State::Unloaded => {}
        }
        self.state.set(state);
    }

    /// `options`: `{special?: boolean}`, whether the text's control tokens are parsed as such.
    pub fn tokenize(&self, text: &str, options: &JsValue) -> Result<Vec<u32>> {
        self.with_state(|state| Ok(state.session()?.tokenize(text, special(options)?)))
    }

    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        self.with_state(|state| state.session()?.detokenize(ids))
    }

    /// The size of the wasm memory, which never shrinks.
    pub fn memory_bytes(&self) -> f64 {
        const PAGE_BYTES: f64 = 65536.0;
        core::arch::wasm32::memory_size(0) as f64 * PAGE_BYTES
    }
}

impl WasmEngine {
    fn loading(loader: AnyLoader, seats: Vec<WorkerSlot>) -> Self {
        panic::set_hook(Box::new(|panic| {
            wasm_bindgen::throw_str(&format!(
                "Siskin stopped at a bug of its own, please report it: {panic}"
            ))
        }));
        Self {
            state: Rc::new(Cell::new(State::Loading(Box::new(loader)))),
            seats: RefCell::new(seats),
        }
    }

    /// Takes the session out, for a step of it. Whoever has it puts it back.
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

    fn with_state<T>(&self, call: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state.take();
        let result = call(&mut state);
        self.state.set(state);
        result
    }
}

fn loader_options(options: &JsValue) -> Result<(Options, usize)> {
    let mut fields = Fields::from_json(&from_js(options)?)?;
    let context_tokens = fields.take("context_tokens")?;
    let threads = fields.take("threads")?.unwrap_or(1);
    fields.finish()?;
    if !(1..=MAX_THREADS).contains(&threads)
        || (threads > 1 && cfg!(not(target_feature = "atomics")))
    {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{threads} threads are not possible here. Ask for 1, or use the threads build."
            ),
        ));
    }
    Ok((Options { context_tokens }, threads))
}

fn special(options: &JsValue) -> Result<Special> {
    let mut fields = Fields::from_json(&from_js(options)?)?;
    let special = fields.take("special")?.unwrap_or(false);
    fields.finish()?;
    Ok(if special {
        Special::Parse
    } else {
        Special::Plain
    })
}
