//! Prints the products of the default model: `products [threads] [isa]`.

use kernels::Cpu;
use kernels::gemm::Precision;
use simd::Isa;

fn main() {
    let mut args = std::env::args().skip(1);
    let threads = args.next().and_then(|x| x.parse().ok()).unwrap_or(1);
    let isa = args.next().and_then(|x| x.parse().ok()).unwrap_or_else(Isa::detected);
    for precision in [Precision::F32, Precision::Bf16] {
        if precision == Precision::Bf16 && isa < Isa::Avx512Bf16 {
            continue;
        }
        println!("{isa} {precision:?}, {threads} threads");
        for row in bench::products(&Cpu::new(isa, threads), precision) {
            let ratio = row.ratio_to_gemm.map_or(String::new(), |r| format!(", {r:.2} times the gemm crate"));
            println!(
                "{:28} {:16} {:8.3} ms {:6.0} GFLOP/s {:4.0} % of peak{ratio}",
                row.name,
                format!("{:?}", row.direction),
                row.seconds * 1e3,
                row.gflops,
                row.percent_of_peak
            );
        }
    }
}
