//! Keeps the state of an engine: loading, ready or writing.

use crate::{
    Code, Error, Result,
    generate::stop::StopHandle,
    session::{Session, engine::AnyLoader, info::ModelInfo},
};

/// Tells what an engine is doing. A call that works with the state takes it out of its cell, so
/// that no call meets another one's borrow.
#[derive(Default)]
pub(super) enum State {
    /// The model's file is being pushed.
    Loading(Box<AnyLoader>),
    /// The session waits for its model, which was lost, to be loaded again.
    Reloading(Box<Session>, Box<AnyLoader>),
    /// The session can take a call.
    Ready(Box<Session>),
    /// The session is taken out for a step of an answer.
    Writing(StopHandle),
    /// Loading failed.
    #[default]
    Unloaded,
}

impl State {
    /// Returns the session.
    ///
    /// # Errors
    ///
    /// `not_loaded`, `busy`.
    pub(super) fn session(&mut self) -> Result<&mut Session> {
        match self {
            State::Ready(session) => Ok(session),
            other => Err(other.refusal()),
        }
    }

    /// Returns the loader.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the model is complete, `not_loaded`, `busy`.
    pub(super) fn loader(&mut self) -> Result<&mut AnyLoader> {
        match self {
            State::Loading(loader) | State::Reloading(_, loader) => Ok(loader),
            other => Err(other.refusal()),
        }
    }

    /// Returns the error of a call that is not possible in this state.
    pub(super) fn refusal(&self) -> Error {
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

    /// Returns the state while `loader` loads: for a session that waits for its model, or a new
    /// one.
    pub(super) fn with_loader(session: Option<Box<Session>>, loader: Box<AnyLoader>) -> Self {
        match session {
            None => State::Loading(loader),
            Some(session) => State::Reloading(session, loader),
        }
    }
}

/// Finishes a load. A `session` that waits for its model gets the new one; after an error it waits
/// for another backend.
pub(super) async fn finish(
    loader: AnyLoader,
    session: Option<Box<Session>>,
) -> (State, Result<ModelInfo>) {
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
            let replaced = session.replace_decoder(loaded.model);
            (State::Ready(session), replaced.map(|()| info))
        }
        (Err(error), session) => (session.map_or(State::Unloaded, State::Ready), Err(error)),
    }
}
