export function setUp() {}
export function cancelAll() { return false; }
