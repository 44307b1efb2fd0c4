//! What Siskin asks of the machine it runs on: the time, a pause, and a little randomness.

/// Milliseconds since some fixed moment; never goes back.
#[cfg(not(target_arch = "wasm32"))]
pub fn now_ms() -> f64 {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}

/// Milliseconds since some fixed moment. `performance.now()` of a page, a worker or Node; 0 where there is none.
#[cfg(target_arch = "wasm32")]
pub fn now_ms() -> f64 {
    use js_sys::{Function, Reflect, global};
    use wasm_bindgen::JsCast;
    let now = || {
        let performance = Reflect::get(&global(), &"performance".into()).ok()?;
        let function = Reflect::get(&performance, &"now".into()).ok()?;
        function
            .dyn_ref::<Function>()?
            .call0(&performance)
            .ok()?
            .as_f64()
    };
    now().unwrap_or(0.0)
}

/// Lets others run for so long; natively there are none. For the graphics card alone, which a build with threads has not.
#[cfg(not(target_feature = "atomics"))]
pub async fn pause(ms: u32) {
    #[cfg(target_arch = "wasm32")]
    gloo_timers::future::TimeoutFuture::new(ms).await;
    #[cfg(not(target_arch = "wasm32"))]
    std::thread::sleep(std::time::Duration::from_millis(ms.into()));
}

/// A number that differs from run to run. Not for secrets.
pub fn entropy() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Math::random().to_bits();
    #[cfg(not(target_arch = "wasm32"))]
    {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(now_ms().to_bits())
    }
}
