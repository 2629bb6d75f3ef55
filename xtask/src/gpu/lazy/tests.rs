//! Declarations are read as they are, and archives work with and without their library.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Function, Library, archive, functions};

const DECLARED: &str = "
pub unsafe fn libOne(a: f64, b: ::core::ffi::c_int) -> libStatus {
    extern \"C\" { fn libOne(a: f64) -> libStatus; }
}
pub unsafe fn libName(status: libStatus) -> *const ::core::ffi::c_char {}
pub unsafe fn libNothing(
    a: u32,
) {}
pub unsafe fn libOne(a: f64, b: ::core::ffi::c_int) -> libStatus {}
pub unsafe fn culib() -> &'static ::libloading::Library {}
pub unsafe fn is_culib_present() -> bool {}
fn load<T>(name: &str) -> T {}
";

#[test]
fn functions_of_c_are_told_from_others() {
    let function = |name: &str, is_status| Function { name: name.to_owned(), is_status };
    let wanted = [function("libName", false), function("libNothing", false), function("libOne", true)];
    assert_eq!(functions(DECLARED, "libStatus"), wanted);
    assert!(functions("", "libStatus").is_empty());
}

/// Ten floats and six integers fill all registers of arguments and two places on the stack.
const MAIN: &str = "
#include <stdio.h>
extern int volkitSum(double,double,double,double,double,double,double,double,double,double,int,int,int,int,int,int);
extern const char *volkitName(int);
extern int volkitGone(void);
int main(void) {
    for (int again = 0; again < 2; again++)
        printf(\"%d \", volkitSum(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16));
    printf(\"%s %d\\n\", volkitName(0) ? volkitName(0) : \"null\", volkitGone());
    return 0;
}
";

const SHARED: &str = "
int volkitSum(double a,double b,double c,double d,double e,double f,double g,double h,double i,double j,
              int k,int l,int m,int n,int o,int p) {
    double weighted = a+2*b+3*c+4*d+5*e+6*f+7*g+8*h+9*i+10*j;
    return (int)weighted + 11*k+12*l+13*m+14*n+15*o+16*p;
}
const char *volkitName(int k) { return \"there\"; }
";

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn compile(folder: &Path, source: &str, text: &str, args: &[&str]) {
    fs::write(folder.join(source), text).unwrap();
    run(Command::new("cc").current_dir(folder).arg(source).args(args));
}

#[test]
fn a_program_runs_with_and_without_the_library() {
    let folder = std::env::temp_dir().join(format!("volkit-lazy-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let library = Library {
        name: "volkitfake",
        module: "",
        files: &["libvolkitfake.so.1", "libvolkitfake.so"],
        status: "int",
        absent: 34,
    };
    let function = |name: &str, is_status| Function { name: name.to_owned(), is_status };
    let list = [function("volkitSum", true), function("volkitName", false), function("volkitGone", true)];
    archive(&library, &list, &folder).unwrap();
    compile(&folder, "main.c", MAIN, &["-o", "main", "-L.", "-lvolkitfake", "-ldl"]);
    let main = || {
        let mut command = Command::new(folder.join("main"));
        command.env("LD_LIBRARY_PATH", &folder);
        command
    };
    assert_eq!(run(&mut main()), "34 34 null 34");

    compile(&folder, "shared.c", SHARED, &["-shared", "-fPIC", "-o", "libvolkitfake.so"]);
    // The sum of squares to 16 is 1496; a function that the library lacks is as absent as the library.
    assert_eq!(run(&mut main()), "1496 1496 there 34");
    fs::remove_dir_all(&folder).unwrap();
}
