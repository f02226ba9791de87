local text = require "text"
assert(text.line)
return function(radius) return 3.14159 * radius ^ 2 end
