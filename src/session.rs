//! A chat with a model: picks the backend, reuses the KV cache, counts usage.
