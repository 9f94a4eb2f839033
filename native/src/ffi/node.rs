//! The ABI as a Node-API addon, for worker threads. A thread can be terminated during any call of Node-API, which then
//! fails: the addon returns nothing in that case, while koffi would abort the process.
//!
//! The functions of Node-API are looked up in the running program, so that the library also loads without Node.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;
use std::sync::OnceLock;

use crate::abi::Code;

type Env = *mut c_void;
type Value = *mut c_void;
type Info = *mut c_void;
type Status = c_int;
type Callback = unsafe extern "C" fn(Env, Info) -> Value;

const OK: Status = 0;
const UINT8_ARRAY: c_int = 1;

/// The length of a name that ends with a NUL.
const AUTO_LENGTH: usize = usize::MAX;

#[cfg(unix)]
fn find(name: &CStr) -> *mut c_void {
    extern "C" {
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    /// `RTLD_DEFAULT`: everything that the program has loaded.
    #[cfg(target_vendor = "apple")]
    const ANYWHERE: *mut c_void = -2_isize as *mut c_void;
    #[cfg(not(target_vendor = "apple"))]
    const ANYWHERE: *mut c_void = ptr::null_mut();
    // SAFETY: the name ends with a NUL.
    unsafe { dlsym(ANYWHERE, name.as_ptr()) }
}

#[cfg(windows)]
fn find(name: &CStr) -> *mut c_void {
    #[link(name = "kernel32")]
    extern "system" {
        fn GetModuleHandleW(name: *const u16) -> *mut c_void;
        fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: without a name it is the program itself, and the function's name ends with a NUL.
    unsafe { GetProcAddress(GetModuleHandleW(ptr::null()), name.as_ptr()) }
}

/// Defines the functions of Node-API that are used here.
macro_rules! node_api {
    ($($name:ident: $text:literal, fn($($argument:ty),*);)+) => {
        struct NodeApi { $($name: unsafe extern "C" fn($($argument),*) -> Status),+ }

        impl NodeApi {
            /// `None` if the program does not have them.
            fn load() -> Option<Self> {
                Some(Self { $($name: {
                    let found = find($text);
                    if found.is_null() {
                        return None;
                    }
                    // SAFETY: Node-API is stable: a function with this name has this type.
                    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> Status>(found) }
                }),+ })
            }
        }
    };
}

node_api! {
    get_cb_info: c"napi_get_cb_info", fn(Env, Info, *mut usize, *mut Value, *mut Value, *mut *mut c_void);
    get_value_double: c"napi_get_value_double", fn(Env, Value, *mut f64);
    get_typedarray_info: c"napi_get_typedarray_info",
        fn(Env, Value, *mut c_int, *mut usize, *mut *mut c_void, *mut Value, *mut usize);
    create_double: c"napi_create_double", fn(Env, f64, *mut Value);
    create_function: c"napi_create_function", fn(Env, *const c_char, usize, Callback, *const c_void, *mut Value);
    set_named_property: c"napi_set_named_property", fn(Env, Value, *const c_char, Value);
}

fn node_api() -> Option<&'static NodeApi> {
    static API: OnceLock<Option<NodeApi>> = OnceLock::new();
    API.get_or_init(NodeApi::load).as_ref()
}

/// No function has more arguments.
const MAX_ARGUMENTS: usize = 4;

struct Arguments {
    env: Env,
    values: [Value; MAX_ARGUMENTS],
    api: &'static NodeApi,
}

impl Arguments {
    /// A handle or another number. Any other value becomes 0, which is not a valid handle.
    fn number(&self, index: usize) -> f64 {
        let mut number = 0.0;
        // SAFETY: the value belongs to the call that is running; if this fails, nothing is written.
        unsafe { (self.api.get_value_double)(self.env, self.values[index], &raw mut number) };
        number
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a wrong number becomes a wrong argument"
    )]
    fn word(&self, index: usize) -> u32 {
        self.number(index) as u32
    }

    /// The memory of a `Uint8Array`, and the number of bytes to use, which is the next argument and must not exceed its
    /// length.
    fn memory(&self, index: usize) -> Option<(*mut u8, u32)> {
        let length = self.word(index + 1);
        let (mut kind, mut size, mut data) = (-1, 0, ptr::null_mut());
        // SAFETY: as for numbers; null skips the last two results.
        let status = unsafe {
            let (env, value) = (self.env, self.values[index]);
            let (no_buffer, no_offset) = (ptr::null_mut(), ptr::null_mut());
            (self.api.get_typedarray_info)(
                env,
                value,
                &raw mut kind,
                &raw mut size,
                &raw mut data,
                no_buffer,
                no_offset,
            )
        };
        (status == OK && kind == UINT8_ARRAY && length as usize <= size).then_some((data.cast(), length))
    }
}

struct Function {
    name: &'static CStr,
    call: fn(&Arguments) -> f64,
}

macro_rules! name {
    ($name:ident) => {
        match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => unreachable!(),
        }
    };
}

/// A function of the ABI with these arguments.
macro_rules! function {
    ($name:ident($($kind:ident $index:literal),*)) => {
        Function { name: name!($name), call: |arguments| {
            let _ = arguments;
            f64::from(super::$name($(arguments.$kind($index)),*))
        } }
    };
}

/// A function of the ABI whose last two arguments are memory and its length.
macro_rules! function_of_memory {
    ($name:ident($($kind:ident $index:literal),*), $memory:literal) => {
        Function { name: name!($name), call: |arguments| match arguments.memory($memory) {
            None => Code::Argument.into(),
            // SAFETY: the memory is that of a live `Uint8Array`, which JavaScript does not use during the call.
            Some((memory, length)) => f64::from(unsafe { super::$name($(arguments.$kind($index),)* memory, length) }),
        } }
    };
}

static FUNCTIONS: [Function; 20] = [
    function!(fce_abi_version()),
    function_of_memory!(fce_arena_new(), 0),
    function!(fce_arena_free(number 0)),
    function_of_memory!(fce_job_new(word 0), 1),
    function_of_memory!(fce_job_push(number 0), 1),
    function!(fce_job_run(number 0)),
    function_of_memory!(fce_job_message(number 0), 1),
    function!(fce_job_take(number 0)),
    function!(fce_job_free(number 0)),
    function!(fce_snapshot_retain(number 0)),
    function!(fce_snapshot_close(number 0)),
    function_of_memory!(fce_snapshot_blob(number 0, word 1), 2),
    function!(fce_blob_len(number 0)),
    function!(fce_blob_free(number 0)),
    function_of_memory!(fce_blob_read(number 0, word 1), 2),
    function!(fce_evaluate(number 0, number 1, word 2)),
    function!(fce_evaluate_batch(number 0, number 1, word 2)),
    function!(fce_stat(word 0)),
    function!(fce_thread_owns()),
    function!(fce_test_panic()),
];

/// Runs the ABI function in the callback's data.
unsafe extern "C" fn call(env: Env, info: Info) -> Value {
    let Some(api) = node_api() else { return ptr::null_mut() };
    let mut values = [ptr::null_mut(); MAX_ARGUMENTS];
    let mut count = MAX_ARGUMENTS;
    let mut data = ptr::null_mut();
    // SAFETY: Node passes its own values, and there is room for `count` arguments.
    let status =
        unsafe { (api.get_cb_info)(env, info, &raw mut count, values.as_mut_ptr(), ptr::null_mut(), &raw mut data) };
    if status != OK || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `napi_register_module_v1` gives each function an entry of `FUNCTIONS` as its data.
    let function = unsafe { &*data.cast_const().cast::<Function>() };
    let result = (function.call)(&Arguments { env, values, api });
    let mut value = ptr::null_mut();
    // SAFETY: if this fails, the value stays null, which JavaScript sees as undefined.
    unsafe { (api.create_double)(env, result, &raw mut value) };
    value
}

/// Called by Node when it loads the library as an addon: adds all functions to the addon's exports.
///
/// # Safety
/// The caller is Node-API.
#[no_mangle]
pub unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    let Some(api) = node_api() else { return exports };
    for function in &FUNCTIONS {
        let mut value = ptr::null_mut();
        let data = ptr::from_ref(function).cast();
        // SAFETY: the names end with a NUL, and the data is static. On a thread that is ending these calls fail, and it
        // gets no functions.
        unsafe {
            if (api.create_function)(env, function.name.as_ptr(), AUTO_LENGTH, call, data, &raw mut value) != OK
                || (api.set_named_property)(env, exports, function.name.as_ptr(), value) != OK
            {
                return exports;
            }
        }
    }
    exports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_node_gets_no_functions() {
        assert!(node_api().is_none());
        let mut exports = 0_u8;
        let exports = ptr::from_mut(&mut exports).cast();
        // SAFETY: without Node-API the arguments are not used.
        assert_eq!(unsafe { napi_register_module_v1(ptr::null_mut(), exports) }, exports);
        // SAFETY: as above.
        assert!(unsafe { call(ptr::null_mut(), ptr::null_mut()) }.is_null());
    }

    #[test]
    fn every_function_of_the_abi_is_there_once() {
        let readme = include_str!("../../README.md");
        let mut names: Vec<_> = FUNCTIONS.iter().map(|function| function.name.to_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FUNCTIONS.len());
        let rows = readme.lines().filter(|line| line.starts_with("| `") && line.contains(" fce_"));
        assert_eq!(rows.count(), names.len());
        assert!(names.iter().all(|name| readme.contains(&format!(" {name}("))));
    }
}
