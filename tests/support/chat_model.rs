//! Makes tiny models that can chat: the fixtures' random weights, with a vocabulary of the 256
//! bytes and a ChatML template.

use super::alphabet::visible;
use siskin::format::gguf::GgufReader;
use siskin::format::metadata::StringArray;
use siskin::format::write::GgufWriter;

/// Returns `file`, a fixture of 384 tokens, with that vocabulary and template. Token 256 begins a
/// turn, token 257 ends it.
pub fn chatting(file: &[u8]) -> Vec<u8> {
    let mut gguf = GgufReader::new()
        .push(file)
        .expect("a fixture")
        .expect("a whole header");
    let names = (0..=255).map(|byte| visible(byte).to_string());
    let controls = ["<|im_start|>", "<|im_end|>"].map(str::to_owned);
    let unused = (258..384).map(|id| format!("<unused{id}>"));
    gguf.metadata.insert(
        "tokenizer.ggml.tokens",
        names.chain(controls).chain(unused).collect::<StringArray>(),
    );
    gguf.metadata.insert(
        "tokenizer.ggml.token_type",
        [vec![1_i32; 256], vec![3; 2], vec![5; 126]].concat(),
    );
    gguf.metadata
        .insert("tokenizer.ggml.merges", StringArray::default());
    gguf.metadata.insert("tokenizer.ggml.eos_token_id", 257_u32);
    gguf.metadata.insert("tokenizer.ggml.add_bos_token", false);
    gguf.metadata.insert(
        "tokenizer.chat_template",
        "{% for m in messages %}\
         {{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
         {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    );
    let mut writer = GgufWriter::new(gguf.metadata).expect("an alignment");
    for tensor in &gguf.tensors {
        let data = &file[tensor.offset as usize..tensor.end() as usize];
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data)
            .expect("a tensor that fits");
    }
    writer.to_bytes()
}

/// Returns `file`, a fixture of the architecture llama, with a context of this many tokens.
pub fn with_context(file: &[u8], context_tokens: u32) -> Vec<u8> {
    let mut gguf = GgufReader::new()
        .push(file)
        .expect("a fixture")
        .expect("a whole header");
    gguf.metadata.insert("llama.context_length", context_tokens);
    let mut writer = GgufWriter::new(gguf.metadata).expect("an alignment");
    for tensor in &gguf.tensors {
        let data = &file[tensor.offset as usize..tensor.end() as usize];
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data)
            .expect("a tensor that fits");
    }
    writer.to_bytes()
}
