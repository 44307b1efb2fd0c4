//! Every variant of every kernel is valid WGSL, is what its module says of it, and passes through
//! naga's writers for Direct3D, Metal and Vulkan.

use naga::{
    AddressSpace, Module, StorageAccess, TypeInner,
    back::{hlsl, msl, spv},
    front::wgsl,
    proc::Layouter,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use siskin::backend::gpu::{
    device::ShaderFeatures,
    kernels::{Description, Kernel, StepParams, attention::decode::Decode, every_variant, variant},
    shader::{Access, Binding, Defines, Field, LIBRARY, Shader, Uniform, resolve},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
};

/// Every set of features that makes a difference to a text.
fn feature_sets() -> impl Iterator<Item = ShaderFeatures> {
    (0..8).map(|bits| {
        let [subgroups, packed, enable] = std::array::from_fn(|bit| bits >> bit & 1 != 0);
        // Whether there is 16-bit arithmetic is asked before a kernel is chosen that needs it.
        ShaderFeatures {
            subgroups,
            packed,
            enable,
            f16: true,
        }
    })
}

/// The text that naga takes: it knows subgroups without the directive, and not the directive.
fn for_naga(source: &str) -> String {
    source.replace("enable subgroups;\n", "")
}

fn parse(source: &str) -> Module {
    wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}\n{source}", error.emit_to_string(source)))
}

fn validate(source: &str, module: &Module) -> ModuleInfo {
    // Halves in words of 32 bits need no extension of WGSL.
    let mut needed = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    needed.set(Capabilities::SUBGROUP, source.contains("subgroupAdd"));
    needed.set(Capabilities::SHADER_FLOAT16, source.contains("enable f16;"));
    let mut validator = Validator::new(ValidationFlags::all(), needed);
    validator
        .validate(module)
        .unwrap_or_else(|error| panic!("{}\n{source}", error.emit_to_string(source)))
}

/// Writes the module for the APIs under WebGPU, with the options that wgpu uses.
fn write_for_every_api(source: &str, module: &Module, info: &ModuleInfo) {
    let mut hlsl_text = String::new();
    let hlsl_options = hlsl::Options {
        // 16-bit arithmetic came with 6.2.
        shader_model: hlsl::ShaderModel::V6_2,
        fake_missing_bindings: true,
        ..hlsl::Options::default()
    };
    let hlsl_pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut hlsl_text, &hlsl_options, &hlsl_pipeline)
        .write(module, info, None)
        .unwrap_or_else(|error| panic!("HLSL: {error}\n{source}"));
    let msl_options = msl::Options {
        // Subgroups and packed dots came with Metal 2.4.
        lang_version: (2, 4),
        fake_missing_bindings: true,
        ..msl::Options::default()
    };
    msl::write_string(module, info, &msl_options, &msl::PipelineOptions::default())
        .unwrap_or_else(|error| panic!("MSL: {error}\n{source}"));
    spv::write_vec(module, info, &spv::Options::default(), None)
        .unwrap_or_else(|error| panic!("SPIR-V: {error}\n{source}"));
}

#[test]
fn every_variant_is_valid_for_every_api() {
    let variants = every_variant();
    assert!(variants.len() > 600, "{}", variants.len());
    let mut sources = BTreeSet::new();
    for features in feature_sets() {
        for Description { variant, .. } in &variants {
            let source = variant
                .source(features)
                .unwrap_or_else(|what| panic!("{}: {what}", variant.label()));
            let says = |word: &str| source.contains(word);
            assert!(features.enable || !says("enable subgroups"), "{source}");
            assert!(features.subgroups || !says("subgroupAdd"), "{source}");
            assert!(features.packed || !says("unpack4xI8"), "{source}");
            let int8_dot = variant.defines.has("INT8_DOT");
            assert_eq!(says("dot4I8Packed"), int8_dot, "{source}");
            assert!(says("f16>") == variant.defines.has("F16_TILES"), "{source}");
            sources.insert(for_naga(&source));
        }
    }
    println!("{} texts", sources.len());
    let sources: Vec<String> = sources.into_iter().collect();
    thread::scope(|scope| {
        for half in sources.chunks(sources.len().div_ceil(2)) {
            scope.spawn(move || {
                for source in half {
                    let module = parse(source);
                    let info = validate(source, &module);
                    write_for_every_api(source, &module, &info);
                }
            });
        }
    });
}

/// The members of a struct as naga lays them out: name, offset and size.
fn members(module: &Module, struct_type: naga::Handle<naga::Type>) -> (Vec<Field>, usize) {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("a layout");
    let TypeInner::Struct { members, span } = &module.types[struct_type].inner else {
        panic!("a uniform is a struct");
    };
    let field = |member: &naga::StructMember| Field {
        name: member.name.clone().expect("a name").leak(),
        offset: member.offset as usize,
        size: layouter[member.ty].size as usize,
    };
    (members.iter().map(field).collect(), *span as usize)
}

/// The variables of a bind group, by their numbers.
fn bindings(module: &Module, group: u32) -> BTreeMap<u32, (String, Access)> {
    let variables = module.global_variables.iter().filter_map(|(_, variable)| {
        let binding = variable.binding.as_ref().filter(|at| at.group == group)?;
        let access = match variable.space {
            AddressSpace::Uniform => Access::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                Access::ReadWrite
            }
            AddressSpace::Storage { .. } => Access::Read,
            other => panic!("{other:?} has no binding"),
        };
        let name = variable.name.clone().expect("a name");
        Some((binding.binding, (name, access)))
    });
    variables.collect()
}

fn uniform(module: &Module, name: &str) -> (Vec<Field>, usize) {
    let is_it = |variable: &naga::GlobalVariable| variable.name.as_deref() == Some(name);
    let (_, variable) = module
        .global_variables
        .iter()
        .find(|(_, variable)| is_it(variable))
        .unwrap_or_else(|| panic!("no {name}"));
    members(module, variable.ty)
}

#[test]
fn kernels_bind_what_their_text_declares() {
    for Description {
        variant,
        op,
        op_bytes,
    } in every_variant()
    {
        let (label, features) = (variant.label(), ShaderFeatures::NONE);
        let module = parse(&for_naga(&variant.source(features).expect("a text")));
        let declared: BTreeMap<u32, (String, Access)> = variant
            .bindings
            .iter()
            .map(
                |Binding {
                     number,
                     name,
                     access,
                 }| (*number, ((*name).to_owned(), *access)),
            )
            .collect();
        assert_eq!(bindings(&module, 1), declared, "{label}");

        let (fields, bytes) = uniform(&module, "op");
        assert_eq!(fields, op, "{label}");
        // naga rounds the struct up to its alignment.
        assert_eq!(bytes, op_bytes.next_multiple_of(4), "{label}");

        let params = BTreeMap::from([(0, ("params".to_owned(), Access::Uniform))]);
        assert_eq!(bindings(&module, 0), params, "{label}");
        let (fields, bytes) = uniform(&module, "params");
        assert_eq!(fields, StepParams::FIELDS, "{label}");
        assert_eq!(bytes, size_of::<StepParams>(), "{label}");
    }
}

/// What attention takes is asked for before a model's weights are read.
#[test]
fn attention_takes_the_workgroup_memory_that_it_says() {
    for kernel in Decode::variants() {
        let source = variant(&kernel).source(ShaderFeatures::NONE);
        let module = parse(&for_naga(&source.expect("a text")));
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).expect("a layout");
        let variables = module.global_variables.iter().map(|(_, variable)| variable);
        let bytes: usize = variables
            .filter(|variable| variable.space == AddressSpace::WorkGroup)
            .map(|variable| layouter[variable.ty].size as usize)
            .sum();
        assert_eq!(kernel.workgroup_bytes(), bytes, "{kernel:?}");
        assert!(bytes <= 16 << 10, "{kernel:?} takes {bytes}");
    }
}

#[test]
fn every_file_belongs_to_a_kernel_or_to_the_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let (mut folders, mut files) = (vec![root.clone()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(&root).expect("below shaders");
                let path = path.with_extension("");
                files.insert(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let kernels = every_variant();
    let kernels = kernels.iter().map(|kernel| kernel.variant.shader.name);
    let known = kernels.chain(LIBRARY.iter().map(|file| file.name));
    assert_eq!(files, known.map(str::to_owned).collect());
    assert!(LIBRARY.is_sorted_by_key(|file| file.name));
}

/// A kernel's module stands where its WGSL does.
#[test]
fn every_kernel_has_a_module_of_its_name() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/backend/gpu/kernels");
    for Description { variant, .. } in every_variant() {
        let module = modules.join(variant.shader.name).with_extension("rs");
        assert!(module.is_file(), "{} is missing", module.display());
    }
}

#[test]
fn what_is_wrong_in_a_shader_is_told() {
    let file = |name, text| resolve(Shader { name, text }, &Defines::default());
    for (text, what) in [
        ("a\n$A", "shaders/x.wgsl:2: `A` is not defined"),
        (
            "#import nowhere",
            "shaders/x.wgsl:1: there is no shader file `nowhere`",
        ),
        ("#else", "shaders/x.wgsl:1: #else without a condition"),
        ("#endif", "shaders/x.wgsl:1: #endif without a condition"),
        ("#ifdef A", "shaders/x.wgsl: a condition is not closed"),
        ("#include a", "shaders/x.wgsl:1: an unknown directive"),
    ] {
        assert_eq!(file("x", text), Err(what.to_owned()));
    }
    assert_eq!(
        file("x", "#ifdef A\n#import nowhere\n#else\nb\n#endif"),
        Ok("b\n".to_owned())
    );
}

/// WGSL begins such a variable at zero in every turn, but in Chromium on Vulkan it keeps what the
/// turn before left.
#[test]
fn no_variable_in_a_loop_lacks_a_first_value() {
    let kernels = every_variant();
    let kernels = kernels.iter().map(|kernel| kernel.variant.shader);
    for Shader { name, text } in kernels.chain(LIBRARY.iter().copied()) {
        let is_inner = |line: &&str| line.starts_with("    ");
        for line in text.lines().filter(is_inner) {
            let lacks_value = line.trim_start().starts_with("var ") && !line.contains('=');
            assert!(!lacks_value, "shaders/{name}.wgsl: {line}");
        }
    }
}
