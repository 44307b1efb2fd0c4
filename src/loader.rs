//! Pushed bytes in, model out.
