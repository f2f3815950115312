std = "lua54"
max_line_length = 120
files["spec"] = { std = "+busted" }
files[".luacheckrc"] = { std = "+luacheckrc" }
files["lua/perilune/spec.lua"] = { std = "+busted" }
