// What a number of pictures costs, with each way of making them.

export function setUp() {}

export function enter() {}
