export const mutations: { file: string; inside: string; what: string; from: string; to: string }[];
